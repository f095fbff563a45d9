//! Key files: as they are, and with a checksum that fits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::crypto::sha256;
use packvault_core::format::key::KeyFile;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn open(stored: &[u8]) {
    if let Ok(file) = KeyFile::parse(stored) {
        assert_eq!(file.bytes(), stored);
        let _ = (file.info(), file.repository());
        let cost = file.cost();
        // Work that is out of bounds is refused before it begins; work within bounds takes too long here.
        if cost.memory_ki_b <= 64 && cost.iterations <= 1 || cost.memory_ki_b > 4 << 20 {
            assert!(!matches!(file.open(b"passphrase"), Ok(Some(_))), "a key was guessed");
        }
    }
}

fuzz_target!(|data: &[u8]| {
    open(data);
    let checksum = hex(&sha256(data));
    open(&[data, b",\"checksum\":\"", checksum.as_bytes(), b"\"}\n"].concat());
});
