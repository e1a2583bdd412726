//! The register: read whole wherever it is not known.

use super::super::BootTime;
use super::super::load::{self, Credentials};
use super::Driver;

impl Driver<'_> {
    /// Begins to read all credentials, where they are not known and a life of the database is followed.
    pub(super) fn read_credentials(&mut self) {
        if self.credentials.is_idle() {
            self.begin_credentials();
        }
    }

    pub(super) fn begin_credentials(&mut self) {
        let id = BootTime::now().nanos();
        let database = self.settings.store.database.clone();
        if self.feed.follows(None) && self.coherence.register.begin(id) {
            self.credentials.begin(load::credentials(id, database));
        } else {
            self.credentials.rest();
        }
    }

    pub(super) fn credentials_read(&mut self, read: Result<Credentials, String>) {
        let why = match read {
            Ok(read) if !self.feed.follows(Some(&read.history)) => {
                "it is of another life of the database".to_owned()
            }
            Ok(read) => {
                let (keys, revocations) = read.table.rows();
                if self.coherence.register.install(read.id, read.table) {
                    tracing::info!(keys, revocations, "credentials are known");
                } else {
                    // Everything became void meanwhile.
                    self.credentials.soon();
                    return;
                }
                return self.credentials.worked();
            }
            Err(why) => why,
        };
        self.coherence.register.forget();
        self.credentials.again(&why);
    }
}
