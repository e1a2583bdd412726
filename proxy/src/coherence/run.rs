//! The feed's thread: asks at the right time, bears a server that does not answer, and carries out what
//! an answer means.
//!
//! Promise: one poll is in flight at a time, given up after a quarter of the bound and repeated at once on
//! the other connection; polls start at most [`SPACING`] apart. Whatever goes wrong, the lease runs out
//! and nothing else happens: a database that is away makes nothing void. Nothing here waits for a
//! request, a pool or a breaker, and no request's work delays it: the thread and its runtime are its own.
//!
//! A process that is stopped (SIGSTOP, a busy machine) between any two lines is as safe as one that is
//! slow: the clock was read before the poll was sent, so what is published late is published old.

mod credentials;
mod round;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sidegate_config::PostgresSettings;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::doorbell::listen;
use super::effect::carry_out;
use super::examination::look;
use super::feed::{Asked, Decision, Feed};
use super::fresh::SPACING;
use super::link::Links;
use super::load::{self, Credentials, Loaded};
use super::loader::{Loader, Turn};
use super::{BOUND, BootTime, Coherence, PolicyDigest};
use crate::database::Notice;
use crate::doctor::Expectations;

/// When a poll is given up on (B/4): two of them and the pause between fit into the bound.
const GIVE_UP: Duration = Duration::from_millis(250);
const _: () = assert!(GIVE_UP.as_millis() * 4 == BOUND.as_millis());
/// How often the doctor looks, though no poll asks for it.
const EXAMINE: Duration = Duration::from_secs(30);
/// How soon again, after findings, and when it could not look.
const EXAMINE_AGAIN: Duration = Duration::from_secs(5);
const EXAMINE_RETRY: Duration = Duration::from_secs(1);
/// The pause before a thread that panicked goes on.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// What the feed reads.
#[derive(Debug, Clone)]
pub struct FeedSettings {
    /// The database.
    pub store: PostgresSettings,
    /// What the doctor measures it by.
    pub expectations: Expectations,
    /// The pause between the starts of two polls, give or take a tenth. Well below a second.
    pub interval: Duration,
    /// Under which policy values of other instances and of the view count; `None`: they do not, and the
    /// log as it was at the start is not read.
    pub policy: Option<PolicyDigest>,
}

/// The running feed. Dropping it ends it, and waits until it has ended; then nothing is cached any more.
#[derive(Debug)]
pub struct FeedThread {
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl FeedThread {
    /// Starts it. Only one may write to a [`Coherence`] at a time.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(coherence: Arc<Coherence>, settings: FeedSettings) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new()
            .name("sidegate-feed".to_owned())
            .spawn(move || survive(&runtime, &coherence, &settings, &stopped))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for FeedThread {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // It catches its own panics.
            let _ = thread.join();
        }
    }
}

/// A panic is a mistake of ours: everything that is kept becomes void, and the feed begins anew.
fn survive(
    runtime: &Runtime,
    coherence: &Arc<Coherence>,
    settings: &FeedSettings,
    stopped: &watch::Receiver<bool>,
) {
    let mut stop = stopped.clone();
    loop {
        let worked = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(Driver::new(coherence, settings).run(stopped.clone()));
        }));
        let reason = if worked.is_ok() { "ended" } else { "panicked" };
        coherence.close(vec![format!("the change feed has {reason}")]);
        coherence.flush();
        coherence.tally.snapshot(None, BootTime::START);
        if worked.is_ok() {
            return;
        }
        tracing::error!("the change feed panicked: nothing is cached until it has begun anew");
        let told = runtime.block_on(timeout(AFTER_PANIC, stop.wait_for(|stop| *stop)));
        if matches!(told, Ok(Ok(_) | Err(_))) {
            return;
        }
    }
}

struct Driver<'c> {
    coherence: &'c Arc<Coherence>,
    settings: &'c FeedSettings,
    feed: Feed,
    links: Links,
    /// When the last poll was started, and when the next one is due.
    last: Instant,
    due: Instant,
    /// At most one. Its result is the reasons against caching, or why it could not be made.
    examination: JoinSet<Result<Vec<String>, String>>,
    examine_at: Instant,
    loader: Loader<Loaded>,
    credentials: Loader<Credentials>,
    /// The next examination has to write into the log that everything has changed.
    void: bool,
    /// The next link has to give the life of the database its id.
    begin: bool,
    notice: Notice,
    noise: u64,
}

impl<'c> Driver<'c> {
    fn new(coherence: &'c Arc<Coherence>, settings: &'c FeedSettings) -> Self {
        // Whatever is kept is from before this feed, which has no cursor yet.
        coherence.close(vec!["the change feed has no answer yet".to_owned()]);
        coherence.flush();
        let now = Instant::now();
        let mut feed = Feed::default();
        feed.set_policy(settings.policy);
        #[cfg(feature = "fault-injection")]
        feed.set_faults(coherence.faults);
        Self {
            coherence,
            settings,
            feed,
            links: Links::new(settings.store.database.clone()),
            last: now,
            // Or when the first connection is open.
            due: now + settings.interval,
            examination: JoinSet::new(),
            examine_at: now + EXAMINE,
            loader: Loader::new("reading the change log, without which only own answers are kept"),
            credentials: Loader::new("reading credentials, without which each is asked for"),
            void: false,
            begin: false,
            notice: Notice::new("the change feed's polls"),
            noise: BootTime::now().nanos() | 1,
        }
    }

    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        // Ends with this future.
        let mut doorbell = JoinSet::new();
        if self.settings.store.database.doorbell {
            let database = self.settings.store.database.clone();
            doorbell.spawn(listen(database, Arc::clone(&self.coherence.bell)));
        }
        loop {
            self.links.refill();
            self.read_credentials();
            if self.wait(&mut stop).await {
                return;
            }
            // The round ends within two times `GIVE_UP`, unless it is told to stop.
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.round() => {}
            }
        }
    }

    /// Waits until a poll is due. Whether it is time to end instead.
    async fn wait(&mut self, stop: &mut watch::Receiver<bool>) -> bool {
        let mut rung = false;
        loop {
            let due = if rung {
                self.due.min(self.last + SPACING)
            } else {
                self.due
            };
            tokio::select! {
                biased;
                // An error means that nobody is left to tell.
                _ = stop.wait_for(|stop| *stop) => return true,
                () = sleep_until(due) => return false,
                // The ring is taken here and a poll follows, whatever becomes of it: see `fresh`.
                () = self.coherence.bell.notified(), if !rung => rung = true,
                opened = self.links.opened(), if self.links.is_opening() => {
                    if opened {
                        self.due = Instant::now();
                    }
                    self.links.refill();
                }
                Some(found) = self.examination.join_next() => self.examined(found),
                turn = self.loader.turn() => match turn {
                    Turn::Ended(loaded) => self.loaded(loaded),
                    Turn::Due => self.load(),
                },
                turn = self.credentials.turn() => match turn {
                    Turn::Ended(read) => self.credentials_read(read),
                    Turn::Due => self.begin_credentials(),
                },
                () = sleep_until(self.examine_at), if self.examination.is_empty() => self.examine(),
            }
        }
    }

    /// Does what a decision says. Interrupted on the way, `self.feed` is as it was, and the next poll asks
    /// from the same snapshot.
    fn carry_out(&mut self, asked: &Asked, decision: Decision) {
        let wanted = carry_out(self.coherence, asked, decision.effects);
        self.void |= wanted.void;
        if wanted.examination {
            self.examine();
        }
        if wanted.load {
            self.load();
        }
        self.begin |= wanted.incarnation;
        self.feed = decision.feed;
    }

    /// Begins an examination; one that goes on counts no longer.
    fn examine(&mut self) {
        self.examination = JoinSet::new();
        self.examination
            .spawn(look(self.settings.clone(), self.void));
    }

    fn load(&mut self) {
        let (coherence, database) = (Arc::clone(self.coherence), &self.settings.store.database);
        self.loader.begin(load::log(coherence, database.clone()));
    }

    fn loaded(&mut self, loaded: Result<Loaded, String>) {
        match loaded {
            Ok(loaded) => match self.feed.loaded(&loaded) {
                Some(feed) => {
                    tracing::info!(rows = loaded.rows, "the change log is known");
                    self.feed = feed;
                    self.loader.worked();
                    // Values of others count from the next poll on.
                    self.due = self.due.min(self.last + SPACING);
                }
                None => self.loader.again("it is of another life of the database"),
            },
            Err(reason) => self.loader.again(&reason),
        }
    }

    fn examined(&mut self, found: Result<Result<Vec<String>, String>, tokio::task::JoinError>) {
        let found = found.unwrap_or_else(|error| Err(error.to_string()));
        // It wrote before it looked.
        self.void &= found.is_err();
        let pause = match &found {
            Ok(reasons) if reasons.is_empty() => EXAMINE,
            Ok(_) => EXAMINE_AGAIN,
            Err(_) => EXAMINE_RETRY,
        };
        self.examine_at = Instant::now() + pause;
        // No poll is in flight. The number is that of a flush, above every value's.
        let number = self.coherence.take_number();
        let decision = self.feed.examined(number, found);
        let asked = self.feed.ask(number, BootTime::now());
        self.carry_out(&asked, decision);
        // A gate that may open does so with the next poll.
        self.due = self.due.min(self.last + SPACING);
    }
}
