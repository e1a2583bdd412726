//! An nginx or HAProxy with the shipped configuration, stopped when it is dropped.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::process::{Sidegate, eventually, root};

/// How often another port is tried, should somebody take the one that was free.
const TRIES: usize = 5;

/// The documented ports of the shipped files.
const CLIENTS: &str = "8000";
const PROXY: &str = "8080";
const ADMIN: &str = "9901";

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Program {
    Nginx,
    HaProxy,
}

pub(super) struct Balancer {
    child: Child,
    pub(super) address: SocketAddr,
    _folder: TempDir,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Balancer {
    pub(super) fn start(program: Program, sidegate: &Sidegate) -> Self {
        (0..TRIES)
            .find_map(|_| Self::try_start(program, sidegate))
            .unwrap_or_else(|| panic!("{program:?} does not start; its messages are above"))
    }

    fn try_start(program: Program, sidegate: &Sidegate) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let ports = [
            (CLIENTS, address.port()),
            (PROXY, sidegate.proxy.port()),
            (ADMIN, sidegate.admin.port()),
        ];
        let file = folder.path().join("shipped");
        fs::write(&file, with_ports(&shipped(program), &ports)).unwrap();
        let mut child = command(program, folder.path(), &file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let runs = eventually("the load balancer accepts or ends", || {
            if TcpStream::connect(address).is_ok() {
                return Some(true);
            }
            child.try_wait().unwrap().map(|_| false)
        });
        runs.then_some(Self {
            child,
            address,
            _folder: folder,
        })
    }
}

fn shipped(program: Program) -> String {
    let name = match program {
        Program::Nginx => "nginx.conf",
        Program::HaProxy => "haproxy.cfg",
    };
    fs::read_to_string(root().join("docs/examples").join(name)).unwrap()
}

/// The text with other ports. In two steps: the port that is put in for one may look like the next.
fn with_ports(text: &str, ports: &[(&str, u16)]) -> String {
    let mark = |at: usize| format!("<port {at}>");
    let mut text = text.to_owned();
    for (at, (documented, _)) in ports.iter().enumerate() {
        text = text.replace(documented, &mark(at));
    }
    for (at, (_, port)) in ports.iter().enumerate() {
        text = text.replace(&mark(at), &port.to_string());
    }
    text
}

/// One process in the foreground that needs no rights and writes nowhere but into `folder`.
fn command(program: Program, folder: &Path, shipped: &Path) -> Command {
    match program {
        Program::Nginx => {
            // What a distribution's nginx.conf holds; the shipped file is for its `conf.d`.
            let folder = folder.display();
            let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .iter()
                .map(|name| format!("{name}_temp_path {folder}/{name}; "))
                .collect();
            let main = format!(
                "daemon off; master_process off; pid {folder}/pid; events {{}}\n\
                 http {{ access_log off; {temporary} include {}; }}\n",
                shipped.display()
            );
            let file = shipped.with_file_name("nginx.conf");
            fs::write(&file, main).unwrap();
            let mut command = Command::new(find("nginx"));
            command
                .args(["-e", "stderr", "-p"])
                .arg(file.parent().unwrap())
                .arg("-c")
                .arg(file);
            command
        }
        Program::HaProxy => {
            let mut command = Command::new(find("haproxy"));
            command.args(["-db", "-f"]).arg(shipped);
            command
        }
    }
}

/// Servers live in sbin, which need not be on a user's PATH.
fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{program} is not installed; scripts/setup installs it"))
}
