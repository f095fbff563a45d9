// The other process of the local store's conformance cases.
import { LocalBackend } from 'packvault';
import { serveStore } from 'packvault/testing';

await serveStore((path) => new LocalBackend(path));
