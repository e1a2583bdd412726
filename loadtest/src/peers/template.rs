//! The configurations in `loadtest/peers/`, and how what is open in them is filled in.
//!
//! Promises: what a program is given has nothing open. Does not: know what the settings mean; the files say it.

use super::PeersError;
use super::peer::Peer;

/// A file with `@placeholders@`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template {
    name: &'static str,
    text: &'static str,
}

/// What is filled in, by name.
pub(super) type Values<'a> = [(&'a str, &'a str)];

pub(super) const SIDEGATE: Template = Template {
    name: "sidegate.yaml",
    text: include_str!("../../peers/sidegate.yaml"),
};
pub(super) const NGINX: Template = Template {
    name: "nginx.conf",
    text: include_str!("../../peers/nginx.conf"),
};
pub(super) const HAPROXY: Template = Template {
    name: "haproxy.cfg",
    text: include_str!("../../peers/haproxy.cfg"),
};
pub(super) const ENVOY: Template = Template {
    name: "envoy.yaml",
    text: include_str!("../../peers/envoy.yaml"),
};
pub(super) const AUTHORIZER: Template = Template {
    name: "authorizer.conf",
    text: include_str!("../../peers/authorizer.conf"),
};

impl Template {
    pub(super) const fn name(self) -> &'static str {
        self.name
    }

    /// With these values. A value may have placeholders of its own, of those that follow it.
    pub(super) fn render(self, values: &Values<'_>) -> Result<String, PeersError> {
        let mut text = self.text.to_owned();
        for (name, value) in values {
            text = text.replace(&format!("@{name}@"), value);
        }
        match open(&text) {
            None => Ok(text),
            Some(placeholder) => Err(PeersError::Placeholder {
                template: self.name,
                placeholder: placeholder.to_owned(),
            }),
        }
    }
}

/// What `@gate@` is: how a peer looks at requests.
pub(super) fn gate(peer: Peer) -> String {
    match peer {
        Peer::NginxAuthRequest => include_str!("../../peers/nginx-auth-request.conf").to_owned(),
        Peer::HaproxyJwt => include_str!("../../peers/haproxy-jwt.cfg").to_owned(),
        Peer::EnvoyJwt => ENVOY_JWT.to_owned(),
        Peer::EnvoyExtAuthz => {
            [ENVOY_JWT, include_str!("../../peers/envoy-ext-authz.yaml")].concat()
        }
        Peer::Sidegate
        | Peer::SidegateEveryLine
        | Peer::BarePingora
        | Peer::Nginx
        | Peer::Haproxy
        | Peer::Envoy => String::new(),
    }
}

const ENVOY_JWT: &str = include_str!("../../peers/envoy-jwt.yaml");

/// A placeholder that is left.
fn open(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let pieces: Vec<&str> = line.split('@').collect();
        let inner = pieces.get(1..pieces.len().saturating_sub(1))?;
        let is_name = |piece: &&&str| {
            let mut letters = piece.chars();
            !piece.is_empty() && letters.all(|letter| letter.is_ascii_lowercase() || letter == '_')
        };
        inner.iter().find(is_name).copied()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::super::issuer::Issuer;
    use super::super::peer::Program;
    use super::super::process::find;
    use super::*;

    #[test]
    fn what_is_left_open_is_an_error_that_names_it() {
        let template = Template {
            name: "a.conf",
            text: "listen @listen@;\n\"@type\": a@b\n",
        };
        let filled = template.render(&[("listen", "127.0.0.1:@port@"), ("port", "1")]);
        assert!(filled.unwrap().contains("listen 127.0.0.1:1;"));
        let refused = template.render(&[]).unwrap_err().to_string();
        assert_eq!(refused, "a.conf: nothing is known for @listen@");
    }

    /// Every configuration, as the programs themselves see it.
    #[test]
    fn programs_accept_what_they_are_given() {
        let folder = tempfile::tempdir().unwrap();
        let issuer = Issuer::new().unwrap();
        fs::write(folder.path().join("issuer.pem"), &issuer.pem).unwrap();
        fs::write(folder.path().join("jwks.json"), &issuer.jwks).unwrap();
        let accepts = |program: &str, arguments: &[&str], template: Template, gate: &str| {
            let path = folder.path().join(template.name());
            let here = folder.path().display().to_string();
            let values = [
                ("gate", gate),
                ("listen", "127.0.0.1:18080"),
                ("listen_port", "18080"),
                ("folder", &here),
                ("keys", &here),
                ("issuer", "https://peers.invalid/"),
                ("audience", "peers"),
                ("token", "a.b.c"),
                ("backend", "127.0.0.1:18081"),
                ("backend_port", "18081"),
                ("authorizer", "127.0.0.1:18082"),
                ("authorizer_port", "18082"),
            ];
            fs::write(&path, template.render(&values).unwrap()).unwrap();
            let program = find(Path::new(program)).expect(program);
            let checked = Command::new(program).args(arguments).arg(&path).output();
            checked.unwrap()
        };
        let nginx = &["-e", "stderr", "-t", "-c"][..];
        let (haproxy, envoy) = (&["-c", "-f"][..], &["--mode", "validate", "-c"][..]);
        let mut cases = vec![("nginx", nginx, AUTHORIZER, String::new())];
        for peer in Peer::ALL {
            match peer.program() {
                Program::Nginx => cases.push(("nginx", nginx, NGINX, gate(peer))),
                Program::Haproxy => cases.push(("haproxy", haproxy, HAPROXY, gate(peer))),
                Program::Envoy if find(Path::new("envoy")).is_none() => {}
                Program::Envoy => cases.push(("envoy", envoy, ENVOY, gate(peer))),
                Program::Sidegate | Program::BarePingora => {}
            }
        }
        for (program, arguments, template, gate) in cases {
            let checked = accepts(program, arguments, template, &gate);
            assert!(checked.status.success(), "{}: {checked:?}", template.name());
        }
        // And they do look at it.
        let checked = accepts("nginx", nginx, NGINX, "auth_request on and on;");
        assert!(!checked.status.success());
    }
}
