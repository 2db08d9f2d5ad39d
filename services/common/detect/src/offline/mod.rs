//! Learning and measuring: from labelled rows to a model file and its report. Nothing here runs in the service.

pub mod calibrate;
pub mod compare;
pub mod controls;
pub mod data;
pub mod export;
pub mod folds;
pub mod learn;
pub mod metrics;
pub mod owned;
pub mod page;
pub mod pictures;
pub mod report;
pub mod rows;
pub mod scored;
mod text;
pub mod train;
pub mod work;
