//! The envelope: anything, plaintexts that are authentic and say anything, and names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::format::{Kind, names, record, time};
use packvault_fuzz::{Input, object, ring};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let choice = input.byte();
    let ring = ring(choice & 1 == 1);
    let kind = [Kind::Idx, Kind::Snapshot, Kind::Lock, Kind::Condemn][usize::from(choice >> 1 & 3)];
    let data = input.0;
    assert!(record::open(&ring, kind, "index/x", data).is_err(), "a record was forged");
    if data.len() >= 8 {
        let keys = object(&ring, kind, "index/x");
        let mut plain = data.to_vec();
        // Not more than the target's memory.
        plain[6] &= 0x0F;
        plain[7] = 0;
        let tag = keys.seal(0, &mut plain).expect("sealing");
        let _ = record::open(
            &ring,
            kind,
            "index/x",
            &[b"PVLTRECD", keys.salt().as_slice(), &keys.commitment, &plain, &tag].concat(),
        );
    }
    let stored = record::seal(&ring, kind, "index/x", 1, &[2; 32], data).expect("sealing");
    assert_eq!(record::open(&ring, kind, "index/x", &stored).expect("opening"), data);
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(names::parse_pack(text).is_none_or(|name| names::pack(&name) == text));
        assert!(names::parse_parity(text).is_none_or(|name| names::parity(&name) == text));
        assert!(time::parse(text).is_none_or(|ms| time::format(ms) == text));
        let _ = (names::parse_gc(text), names::parse_generational("snapshots", text, &names::COPIES));
        let _ = (names::id16(text), names::hash(text));
    }
});
