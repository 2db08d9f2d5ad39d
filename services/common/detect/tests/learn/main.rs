//! The learner and its figures on rows whose answer is known.

mod calibration;
mod learner;
mod measures;
mod model;
mod page;
mod rows;
mod scored;
mod shipped;
mod work;
