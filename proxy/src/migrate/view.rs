//! The materialized view: `database.view.refresh`.
//!
//! Promise: it is there if the configuration asks for one, over the views of the contract that was applied,
//! and empty until an instance builds it; otherwise it is not.

use sidegate_config::{PostgresSettings, Refresh};

use super::{MigrateError, Session, refused};

const DOING: &str = "the materialized view";
const BUILD: &str = "select sidegate.build_view()";
pub(super) const DROP: &str = "select sidegate.drop_view()";

impl Session {
    pub(super) async fn view(
        &self,
        settings: &PostgresSettings,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), MigrateError> {
        self.batch(DOING, "set role sidegate_owner").await?;
        let done = self.client.query_one(wanted(settings), &[]).await;
        let changed: bool = done
            .and_then(|row| row.try_get(0))
            .map_err(|source| refused(DOING, source))?;
        self.batch(DOING, "reset role").await?;
        if changed {
            let what = if is_wanted(settings) {
                "created"
            } else {
                "dropped"
            };
            say(&format!("{what} sidegate.mv_user_authorization_context"));
        }
        Ok(())
    }
}

pub(super) fn plan(settings: &PostgresSettings, say: &mut dyn FnMut(&str)) {
    say(&format!(
        "set role sidegate_owner; {}; reset role;",
        wanted(settings)
    ));
}

fn is_wanted(settings: &PostgresSettings) -> bool {
    settings.database.view.refresh != Refresh::Off
}

fn wanted(settings: &PostgresSettings) -> &'static str {
    if is_wanted(settings) { BUILD } else { DROP }
}
