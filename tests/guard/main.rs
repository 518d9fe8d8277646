//! The guard of a modem, with an emulated modem behind it that keeps a record of what it really dials.
//!
//! [`streams`] lets clients try whatever they can: some thousands of things, the same each time. Others, as many as
//! `MODEMD_GUARD_STREAMS` says, are for whoever has the time:
//!
//! ```sh
//! MODEMD_GUARD_STREAMS=1000000 cargo test --release --test guard streams
//! ```

mod calls;
mod model;
mod streams;
