//! Bodies of snapshots, holds and locks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::format::record;
use packvault_core::format::snapshot::{Hold, Lock, Snapshot};
use packvault_core::format::time;

const ID: [u8; 16] = [0xAB; 16];

fuzz_target!(|data: &[u8]| {
    let _ = record::json::<Hold>("hold", data);
    let _ = record::json::<Lock>("lock", data);
    if let Ok(snapshot) = Snapshot::decode("snapshots/x", &ID, data) {
        let body = snapshot.encode().expect("what was read can be written");
        assert_eq!(Snapshot::decode("snapshots/x", &ID, &body).expect("what was written can be read"), snapshot);
        let _ = time::parse(&snapshot.created_at);
        for item in &snapshot.items {
            let _ = item.root_id();
        }
    }
});
