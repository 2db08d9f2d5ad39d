//! libFuzzer's entry to [`detect_fuzz::shell`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| detect_fuzz::shell(bytes));
