//! Servers that say how they read a request.
//!
//! The first line of an answer is the target that was received. The paths that the server made of it
//! follow, one a line, and an empty line; then `name=value` for the headers in which it, or an
//! application in it, would look for an identity. They are not asked to be careful: nginx passes odd
//! names on, HAProxy normalises what it can.

use std::process::Command;

use crate::foreign::{Server, free_port, run};

/// A program that parses HTTP, with a parser of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Program {
    Nginx,
    HaProxy,
    Gunicorn,
    Node,
}

/// Odd names are read too, as some installations have it.
const NGINX: &str = r#"
daemon off; master_process off; pid FOLDER/pid; error_log FOLDER/error.log;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p; fastcgi_temp_path FOLDER/f;
    uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
    underscores_in_headers on; ignore_invalid_headers off;
    server {
        listen ADDRESS;
        location / {
            default_type text/plain;
            return 200 "$request_uri
$uri

x-sidegate-subject=$http_x_sidegate_subject
x-sidegate-authorized=$http_x_sidegate_authorized
x-forwarded-for=$http_x_forwarded_for
";
        }
    }
}
"#;

const HAPROXY: &str = r#"
global
    expose-experimental-directives
defaults
    mode http
    timeout client 20s
    timeout server 20s
    timeout connect 20s
frontend all
    bind ADDRESS
    http-request set-var(txn.target) pathq
    http-request normalize-uri fragment-strip
    http-request normalize-uri percent-decode-unreserved
    http-request normalize-uri path-strip-dot
    http-request normalize-uri path-strip-dotdot full
    http-request normalize-uri path-merge-slashes
    http-request return status 200 content-type text/plain lf-string "%[var(txn.target)]\n%[path,url_dec]\n\nx-sidegate-subject=%[req.fhdr(x-sidegate-subject)]\nx-sidegate-authorized=%[req.fhdr(x-sidegate-authorized)]\nx-forwarded-for=%[req.fhdr(x-forwarded-for)]\n"
"#;

/// The headers as WSGI has them: under the names of variables. The second path is the one that an
/// application opens files under.
const GUNICORN: &str = r#"
from posixpath import normpath

def app(environ, start_response):
    path = environ['PATH_INFO']
    opened = normpath(path) + ('/' if path.endswith('/') and path != '/' else '')
    lines = [environ['RAW_URI'], path, opened, '']
    lines += ['%s=%s' % item for item in environ.items() if item[0].startswith('HTTP_')]
    body = '\n'.join(lines).encode('latin-1')
    headers = [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))]
    start_response('200 OK', headers)
    return [body]
"#;

/// Both parsers of URLs that Node.js has.
const NODE: &str = r#"
const [http, url] = [require('http'), require('url')];
const [host, port] = process.argv[2].split(':');
http.createServer((request, response) => {
  const paths = [new URL(request.url, 'http://app.test'), url.parse(request.url)];
  const headers = Object.entries(request.headers).map(([name, value]) => `${name}=${value}`);
  const lines = [request.url, ...paths.map((one) => decodeURIComponent(one.pathname)), '', ...headers];
  response.setHeader('Content-Type', 'text/plain');
  response.end(lines.join('\n'));
}).listen(port, host);
"#;

impl Program {
    pub(super) fn start(self) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let address = free_port();
        let (name, text) = match self {
            Self::Nginx => ("nginx.conf", NGINX),
            Self::HaProxy => ("haproxy.cfg", HAPROXY),
            Self::Gunicorn => ("garden.py", GUNICORN),
            Self::Node => ("garden.js", NODE),
        };
        let path = folder.path().to_str().unwrap();
        let text = text.replace("FOLDER", path);
        let file = folder.path().join(name);
        std::fs::write(&file, text.replace("ADDRESS", &address.to_string())).unwrap();
        let mut command = Command::new(match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Gunicorn => "gunicorn",
            Self::Node => "node",
        });
        match self {
            Self::Nginx => command.args(["-p", path, "-c"]).arg(&file),
            Self::HaProxy => command.args(["-db", "-f"]).arg(&file),
            Self::Gunicorn => command
                .args(["--chdir", path, "--threads", "4", "garden:app", "--bind"])
                .arg(address.to_string()),
            Self::Node => command.arg(&file).arg(address.to_string()),
        };
        run(command, address, folder)
    }
}
