//! What a running call tells: counters that somebody samples, and events.

use serde::Serialize;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that happened and that a user may want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A read met damage in this pack, and parity gave the right bytes.
    Healed {
        /// Name of the pack, hex.
        pack: String,
        /// Bytes of the frame or block that was made good.
        bytes: u64,
    },
    /// Verification found a fault.
    Fault(Fault),
}

/// A fault that verify found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct Fault {
    /// Pack or parity object, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
    /// Chunk id, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk: Option<String>,
    /// Snapshot id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Object name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// For people.
    pub error: String,
    /// `CORRUPT`, `NOT_FOUND`, `UNRECOVERABLE`, …
    pub code: &'static str,
    /// Whether repair can make it good.
    pub repairable: bool,
}

/// One call of a verb, as seen from outside. Counters only grow.
#[derive(Default)]
pub struct Call {
    /// Bytes done: read by ingest, written by restore, checked by verify.
    pub bytes: AtomicU64,
    /// Bytes in total, 0 while unknown.
    pub bytes_total: AtomicU64,
    /// Objects done.
    pub objects: AtomicU64,
    /// Objects in total, 0 while unknown.
    pub objects_total: AtomicU64,
    phase: Mutex<&'static str>,
    events: Mutex<Vec<Event>>,
}

impl Call {
    /// Adds to the bytes done.
    pub fn add_bytes(&self, n: u64) {
        self.bytes.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds to the objects done.
    pub fn add_objects(&self, n: u64) {
        self.objects.fetch_add(n, Ordering::Relaxed);
    }

    /// Says how much there is to do.
    pub fn set_totals(&self, bytes: u64, objects: u64) {
        self.bytes_total.store(bytes, Ordering::Relaxed);
        self.objects_total.store(objects, Ordering::Relaxed);
    }

    /// Names what is being done now.
    pub fn set_phase(&self, phase: &'static str) {
        *self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = phase;
    }

    /// What is being done now.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        *self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Tells an event.
    pub fn tell(&self, event: Event) {
        self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(event);
    }

    /// Takes the events that were told since the last time.
    #[must_use]
    pub fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
