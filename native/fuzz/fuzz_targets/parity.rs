//! Parity objects: anything, and descriptions that are authentic and say anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::format::{Kind, parity};
use packvault_fuzz::{Input, object, ring};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let ring = ring(input.byte() & 1 == 1);
    let data = input.0;
    let _ = parity::open(&ring, data);
    let _ = parity::open_end(&ring, &data[..data.len().min(72)], data);
    let _ = parity::description_len(data, data.len() as u64);
    let keys = object(&ring, Kind::Parity, "");
    let mut body = data.to_vec();
    let tag = keys.seal(0, &mut body).expect("sealing");
    let len = (body.len() + 16) as u64;
    let end = [&body, tag.as_slice(), &len.to_le_bytes(), keys.salt(), &keys.commitment, b"PVLTPARE"].concat();
    if let Ok((description, row)) = parity::open_end(&ring, &[], &end) {
        assert!(usize::from(row) < description.shard_blocks.len());
        assert!(description.members.iter().all(|member| member.size <= description.shard_len));
        assert_eq!(description.members.len(), description.member_blocks.len());
    }
});
