//! Metrics: what modemd has counted, as a page for Prometheus and its kin, and the little of HTTP with
//! which they ask for it. Data in, text out; [`modemctl`](crate::modemctl) does the asking.

pub mod http;
mod page;

pub use page::{Answers, Form, page};
