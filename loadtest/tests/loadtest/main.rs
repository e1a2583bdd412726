//! The load generator and the example application from outside: whole runs, and the command.

mod app;
mod command;
mod example;
mod history;
mod paper;
mod profiles;
mod run;
mod seed;
mod support;
