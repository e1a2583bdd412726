//! The load generator from outside: whole runs, and the command itself.

mod command;
mod run;
mod support;
