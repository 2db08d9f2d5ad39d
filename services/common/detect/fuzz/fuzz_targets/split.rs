//! libFuzzer's entry to [`detect_fuzz::split`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| detect_fuzz::split(bytes));
