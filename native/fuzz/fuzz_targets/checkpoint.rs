//! Bodies of checkpoint records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::format::gc::{self, Checkpoint};
use packvault_core::format::record;

fuzz_target!(|data: &[u8]| {
    if let Ok(read) = gc::decode("checkpoint", 1, data) {
        assert_eq!((read.header.kind.as_str(), read.header.round), ("checkpoint", 1));
        let _ = read.rest.map(|rest| record::json::<Checkpoint>("checkpoint", &rest));
    }
    if let Ok(rest) = record::json::<Checkpoint>("checkpoint", data) {
        let body = gc::encode("checkpoint", 7, &[3; 32], &rest).expect("what was read can be written");
        let read = gc::decode("checkpoint", 7, &body).expect("what was written can be read");
        assert_eq!(record::json::<Checkpoint>("checkpoint", &read.rest.expect("a rest")).expect("a body"), rest);
    }
});
