//! Bodies of condemn records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::format::gc::{self, Condemn};
use packvault_core::format::record;

fuzz_target!(|data: &[u8]| {
    if let Ok(read) = gc::decode("condemn", 1, data) {
        assert_eq!((read.header.kind.as_str(), read.header.round), ("condemn", 1));
        let _ = read.rest.map(|rest| record::json::<Condemn>("condemn", &rest));
    }
    if let Ok(rest) = record::json::<Condemn>("condemn", data) {
        let body = gc::encode("condemn", 7, &[3; 32], &rest).expect("what was read can be written");
        let read = gc::decode("condemn", 7, &body).expect("what was written can be read");
        assert_eq!(record::json::<Condemn>("condemn", &read.rest.expect("a rest")).expect("a body"), rest);
    }
});
