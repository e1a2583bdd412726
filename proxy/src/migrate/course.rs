//! How far a run of `sidegate migrate` is.
//!
//! Promise: a step is told before it begins, so that the last one that was told is the one that failed.

/// What a run tells whoever listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'e> {
    /// A step begins.
    Begun {
        /// Its name.
        step: &'e str,
        /// Which one it is, from 1 on.
        number: usize,
        /// How many there are, as far as is known by now.
        all: usize,
    },
    /// Something is done: a line about it.
    Done(&'e str),
}

/// The steps of one run.
pub(super) struct Course<'l> {
    listener: &'l mut dyn FnMut(Event<'_>),
    begun: usize,
    all: usize,
}

impl<'l> Course<'l> {
    /// Of so many steps, as far as is known.
    pub(super) fn new(all: usize, listener: &'l mut dyn FnMut(Event<'_>)) -> Self {
        Self {
            listener,
            begun: 0,
            all,
        }
    }

    /// There are so many more.
    pub(super) fn more(&mut self, steps: usize) {
        self.all = self.all.saturating_add(steps);
    }

    /// A step begins.
    pub(super) fn step(&mut self, step: &str) {
        self.begun = self.begun.saturating_add(1);
        let (number, all) = (self.begun, self.all.max(self.begun));
        (self.listener)(Event::Begun { step, number, all });
    }

    /// Something is done.
    pub(super) fn say(&mut self, line: &str) {
        (self.listener)(Event::Done(line));
    }
}
