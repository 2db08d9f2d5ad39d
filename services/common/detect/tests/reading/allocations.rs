//! Ordinary requests are scored without allocating, once the buffers have grown.

use crate::scoring::{DETECTOR, logged};
use detect::Reader;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what each thread asks of it.
struct Counting;

#[allow(
    unsafe_code,
    reason = "an allocator can be counted in no other way, and this one only passes calls on"
)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn ordinary_requests_are_scored_without_allocating() {
    let uris = [
        "/",
        "/products/1234?category=shoes&sort=price",
        "/search?q=summer+dress&page=2",
        "/a%20file.pdf?token=c2Vzc2lvbg",
        "/notes?text=Fix%20the%20(old)%20name%3A%20a%2Fb",
    ];
    for mut reader in [Reader::default(), Reader::remembering()] {
        let mut all = || {
            for uri in uris {
                DETECTOR.score(&mut reader, &logged(uri.as_bytes()));
            }
        };
        all();
        let before = COUNT.with(Cell::get);
        all();
        assert_eq!(COUNT.with(Cell::get) - before, 0);
    }
}
