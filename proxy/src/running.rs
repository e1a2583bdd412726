//! Which running Sidegate a command asks.

use std::path::{Path, PathBuf};

use sidegate::admin::client::{AdminClient, AdminUrl};
use sidegate_config::ProcessEnv;

use super::Failure;

/// Arguments of commands that ask a running Sidegate.
#[derive(Debug, clap::Args)]
pub(crate) struct Running {
    /// Its configuration file, which says where its admin listener is, and the token.
    #[arg(long, value_name = "FILE", required_unless_present = "admin")]
    config: Option<PathBuf>,
    /// Where its admin listener is, such as http://127.0.0.1:9901, if not where the configuration says.
    #[arg(long, value_name = "URL")]
    admin: Option<AdminUrl>,
}

impl Running {
    /// The configuration file, where one is named.
    pub(crate) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    pub(crate) fn client(&self) -> Result<AdminClient, Failure> {
        let config = self.config.as_deref();
        let settings = config.map(|path| sidegate_config::load(path, &ProcessEnv));
        let admin = settings.transpose()?.map(|settings| settings.admin);
        Ok(AdminClient::new(admin.as_ref(), self.admin.as_ref())?)
    }
}
