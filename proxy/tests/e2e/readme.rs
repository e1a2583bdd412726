//! Every command of the README.
