//! List chunks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::format::list;

fn read(raw: &[u8]) {
    let Ok(read) = list::decode(raw) else { return };
    let again = list::encode(read.level, &read.entries);
    // All but the reserved bytes.
    assert_eq!((&again[..12], &again[16..]), (&raw[..12], &raw[16..]));
    let _ = read.size();
}

fuzz_target!(|data: &[u8]| {
    read(data);
    read(&[b"PVLS\x01".as_slice(), data].concat());
});
