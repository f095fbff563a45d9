//! `config.json`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::format::config::Config;
use packvault_fuzz::ring;

fuzz_target!(|data: &[u8]| {
    let ring = ring(true);
    assert!(!Config::authentic(data, &ring), "a tag was guessed");
    if let Ok(config) = Config::parse(data) {
        let stored = config.encode(&ring).expect("what was read can be written");
        assert_eq!(Config::parse(&stored).expect("what was written can be read"), config);
        assert!(Config::authentic(&stored, &ring));
    }
});
