/** A store as somebody else would write it: four files that import nothing of packvault but what it exports. */
export { FlatBackend } from './backend.mjs';
