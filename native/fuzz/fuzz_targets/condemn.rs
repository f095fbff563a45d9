//! Bodies of condemn records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::format::gc::Condemn;

fuzz_target!(|data: &[u8]| packvault_fuzz::gc_record::<Condemn>("condemn", data));
