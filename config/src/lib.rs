//! Sidegate's configuration: one YAML file becomes [`Settings`], or a list of all its problems.
//!
//! Promise: what comes out is complete and consistent, and what is refused is named by file, line,
//! column and YAML path, together with what was expected. A secret's value is in no message.
//!
//! It opens no key file, policy directory or socket: only the configuration itself and the files
//! that `file:` secrets name.

mod env;
mod error;
mod expand;
mod locate;
mod parse;
mod raw;
mod redact;
mod schema;
mod secret;
pub mod settings;

use std::fs;
use std::path::Path;

pub use env::{Env, ProcessEnv};
pub use error::{ConfigError, Problem};
pub use parse::is_scope;
pub use schema::schema;
pub use secret::Secret;
pub use settings::{
    AccessLogSettings, AccessLogTarget, AccessSettings, AdminSettings, Algorithm,
    AssertionAlgorithm, AssertionSettings, Bind, BreakerSettings, CacheSettings, ClaimSettings,
    ClassSettings, CoherenceSettings, CorsSettings, CredentialSource, DatabaseSettings, Endpoint,
    Fraction, HealthCheckSettings, IdSource, IdType, IdentitySettings, IntrospectionFallback,
    IntrospectionSettings, IssuerSettings, KeySource, KindSettings, LimitSettings, LinkSettings,
    MediaSettings, PolicySettings, Pooler, PostgresSettings, Preflight, RedisSettings, Refresh,
    RemoteKeyKind, RemoteKeySettings, RouteSettings, Rule, Rules, ServerSettings,
    ServiceKeySettings, Settings, StorageSettings, StoreSettings, Strictness, TelemetrySettings,
    Tls, TracingSettings, UnknownSubject, UpstreamSettings, ViewSettings,
};

use locate::{Finding, Locator};

/// Reads and parses a configuration file.
///
/// # Errors
///
/// The file cannot be read, or something in it is refused.
pub fn load(path: &Path, env: &dyn Env) -> Result<Settings, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    parse(&text, path, env)
}

/// Parses the text of a configuration. `file` names it in messages, and relative paths in it
/// start from that file's folder; the file itself is not opened.
///
/// # Errors
///
/// Something in the text is refused. All problems of one stage are reported together: syntax,
/// then environment variables, then the shape of the document, then its meaning.
pub fn parse(text: &str, file: &Path, env: &dyn Env) -> Result<Settings, ConfigError> {
    let invalid = |mut problems: Vec<Problem>| {
        problems.sort_by_key(|problem| (problem.line, problem.column));
        ConfigError::Invalid {
            file: file.to_path_buf(),
            problems,
        }
    };
    let locate = |findings: Vec<Finding>| {
        let locator = Locator::new(text);
        invalid(
            findings
                .into_iter()
                .map(|found| locator.problem(found))
                .collect(),
        )
    };
    let mut document = raw::document(text).map_err(|problem| invalid(vec![problem]))?;
    // Before the environment is in it, so that a variable's value cannot be shown.
    let redacted = redact::redacted(&document);
    expand::expand(&mut document, env).map_err(locate)?;
    let raw = raw::shape(document).map_err(|finding| locate(vec![finding]))?;
    parse::settings(raw, redacted, file).map_err(locate)
}

#[cfg(test)]
mod tests;
