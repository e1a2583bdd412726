//! Commands about credentials: revocations, and service keys.

use std::path::PathBuf;
use std::time::Duration;

use sidegate::keyring::{self, Keyring, KeyringError, Listed, Made, Wish};
use sidegate::revoke::{self, Kind, Revocation};
use sidegate_config::{ProcessEnv, Settings, StoreSettings};

use super::{Failure, print};
use crate::operate::runtime;

/// `sidegate revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArguments {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Answer with JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Why, for whoever looks at it later.
    #[arg(long, global = true, default_value = "")]
    note: String,
    #[command(subcommand)]
    command: RevokeCommand,
}

/// `sidegate key`.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyArguments {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Answer with JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: KeyCommand,
}

/// What to take away.
#[derive(Debug, clap::Subcommand)]
enum RevokeCommand {
    /// Everything that a subject has: tokens, links and service keys, if they were issued until now.
    User {
        /// The subject's id.
        subject: String,
        /// Until then instead, such as 2026-11-28T17:00:00Z.
        #[arg(long, value_name = "TIME")]
        before: Option<String>,
    },
    /// Every token of a session, also those that are issued later.
    Session {
        /// The value of the claim `sid`, or of the one that `claims.session` names.
        session: String,
    },
    /// One token.
    Token {
        /// The value of its claim `jti`.
        token: String,
    },
    /// Everybody's tokens and links, if they were issued until then. Service keys stay.
    Before {
        /// Such as 2026-11-28T17:00:00Z.
        time: String,
    },
}

/// What to do with service keys.
#[derive(Debug, clap::Subcommand)]
enum KeyCommand {
    /// Make one, and show it: this once.
    Create {
        #[command(flatten)]
        wish: WishArguments,
    },
    /// Take one of another make, by the SHA-256 of the whole key.
    Import {
        /// What it shall be called: letters and digits.
        #[arg(long)]
        id: String,
        /// 64 hexadecimal digits.
        #[arg(long, value_name = "DIGEST")]
        sha256: String,
        #[command(flatten)]
        wish: WishArguments,
    },
    /// List all of them.
    List,
    /// Give one another secret, and show it: this once.
    Rotate {
        /// The key's id.
        id: String,
        /// For how long the secret that it has is good, too.
        #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
        overlap: Duration,
    },
    /// Revoke one, for ever.
    Revoke {
        /// The key's id.
        id: String,
    },
}

/// What is asked for with a key.
#[derive(Debug, clap::Args)]
struct WishArguments {
    /// The subject for whom it speaks: its rights are that subject's.
    #[arg(long)]
    subject: String,
    /// What it is for: a route accepts it that names one of them. May be repeated.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Who answers for it.
    #[arg(long, default_value = "")]
    owner: String,
    /// Whatever else is worth knowing.
    #[arg(long, default_value = "")]
    note: String,
    /// For how long it is good, such as 90days. Default: until it is revoked.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
}

pub(crate) fn take_away(arguments: &RevokeArguments) -> Result<(), Failure> {
    let RevokeArguments {
        config,
        json,
        note,
        command,
    } = arguments;
    let settings = sidegate_config::load(config, &ProcessEnv)?;
    let (kind, value, before) = match command {
        RevokeCommand::User { subject, before } => {
            (Kind::User, subject.as_str(), before.as_deref())
        }
        RevokeCommand::Session { session } => (Kind::Session, session.as_str(), None),
        RevokeCommand::Token { token } => (Kind::Token, token.as_str(), None),
        RevokeCommand::Before { time } => (Kind::All, "*", Some(time.as_str())),
    };
    let revocation = Revocation::new(kind, value, before, note, &settings)?;
    let StoreSettings::Postgres(store) = &settings.store else {
        return Err("store: expected `postgres`, where revocations are kept".into());
    };
    let written = runtime()?.block_on(revoke::write_once(store, &revocation, &settings))?;
    let (about, xid) = (revocation.tag(), written.xid);
    if *json {
        print(
            &serde_json::json!({ "about": about, "xid": xid, "notes": written.notes }).to_string(),
        )?;
    } else {
        print(&format!(
            "revoked: {about}. Within a second no instance accepts it any more"
        ))?;
        for note in written.notes {
            print(&format!("note: {note}"))?;
        }
    }
    Ok(())
}

pub(crate) fn manage_keys(arguments: &KeyArguments) -> Result<(), Failure> {
    let KeyArguments {
        config,
        json,
        command,
    } = arguments;
    let settings = sidegate_config::load(config, &ProcessEnv)?;
    let runtime = runtime()?;
    let work = async {
        let worked = tokio::time::timeout(keyring::PATIENCE, manage(&settings, command)).await;
        worked.unwrap_or(Err(KeyringError::TimedOut))
    };
    match runtime.block_on(work)? {
        Done::Made(made) => show(&made, *json),
        Done::Listed(keys) => list(&keys, *json),
        Done::Revoked(id) if *json => Ok(print(
            &serde_json::json!({ "id": id, "revoked": true }).to_string(),
        )?),
        Done::Revoked(id) => Ok(print(&format!(
            "revoked: {id}. Within a second no instance accepts it any more"
        ))?),
    }
}

/// What a command has done.
enum Done {
    Made(Made),
    Listed(Vec<Listed>),
    Revoked(String),
}

async fn manage(settings: &Settings, command: &KeyCommand) -> Result<Done, KeyringError> {
    match command {
        KeyCommand::Create { wish } => {
            let keyring = Keyring::open(settings).await?;
            keyring.create(&wish.wish()).await.map(Done::Made)
        }
        KeyCommand::Import { id, sha256, wish } => {
            let keyring = Keyring::open(settings).await?;
            let made = keyring.import(id, sha256, &wish.wish()).await;
            made.map(Done::Made)
        }
        KeyCommand::Rotate { id, overlap } => {
            let keyring = Keyring::open(settings).await?;
            keyring.rotate(id, *overlap).await.map(Done::Made)
        }
        KeyCommand::List => keyring::list(settings).await.map(Done::Listed),
        KeyCommand::Revoke { id } => {
            keyring::revoke(settings, id).await?;
            Ok(Done::Revoked(id.clone()))
        }
    }
}

impl WishArguments {
    fn wish(&self) -> Wish {
        Wish {
            subject: self.subject.clone(),
            scopes: self.scopes.clone(),
            owner: self.owner.clone(),
            note: self.note.clone(),
            life: self.expires_in,
        }
    }
}

fn show(made: &Made, json: bool) -> Result<(), Failure> {
    if json {
        return Ok(print(&serde_json::to_string(made)?)?);
    }
    print(&format!("id: {}", made.id))?;
    if let Some(key) = &made.key {
        print(&format!("key: {key}\nIt is not kept, and not shown again."))?;
    }
    for note in &made.notes {
        print(&format!("note: {note}"))?;
    }
    Ok(())
}

fn list(keys: &[Listed], json: bool) -> Result<(), Failure> {
    if json {
        return Ok(print(&serde_json::to_string(keys)?)?);
    }
    for key in keys {
        let or =
            |time: &Option<String>, none: &str| time.clone().unwrap_or_else(|| none.to_owned());
        print(&format!(
            "{}  {}{}  made {}  subject {}  scopes {}  owner {}  expires {}  last used {}{}",
            key.id,
            key.state,
            if key.imported { " (imported)" } else { "" },
            key.created_at,
            key.subject,
            if key.scopes.is_empty() {
                "none".to_owned()
            } else {
                key.scopes.join(",")
            },
            if key.owner.is_empty() {
                "nobody"
            } else {
                &key.owner
            },
            or(&key.expires_at, "never"),
            or(&key.last_used_at, "never"),
            if key.note.is_empty() {
                String::new()
            } else {
                format!("  ({})", key.note)
            },
        ))?;
    }
    Ok(())
}
