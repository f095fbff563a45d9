//! Bodies of checkpoint records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::format::gc::Checkpoint;

fuzz_target!(|data: &[u8]| packvault_fuzz::gc_record::<Checkpoint>("checkpoint", data));
