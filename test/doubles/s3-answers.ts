/** What the S3 double answers to a request that meets no fault: the operations that a backend needs, as AWS documents them. */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export type S3Verb = 'put' | 'get' | 'head' | 'list' | 'delete' | 'delete-batch' | 'other';

export interface S3Request {
  readonly verb: S3Verb;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
}

export interface S3Object {
  readonly body: Buffer;
  readonly etag: string;
  readonly modifiedAt: Date;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

type Bucket = Map<string, S3Object>;

const PAGE_KEYS = 1_000;
const NOTHING = Buffer.alloc(0);

export function verbOf(method: string, key: string, query: URLSearchParams): S3Verb {
  if (method === 'POST' && query.has('delete')) return 'delete-batch';
  if (method === 'GET' && key === '') return 'list';
  const verbs: Readonly<Record<string, S3Verb>> = { PUT: 'put', GET: 'get', HEAD: 'head', DELETE: 'delete' };
  return (key !== '' && verbs[method]) || 'other';
}

/** S3's error document. */
export function errorAnswer(
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
  fields = '',
): Answer {
  return {
    status,
    headers: { 'content-type': 'application/xml', 'x-amz-request-id': 'DOUBLE', ...headers },
    body: Buffer.from(
      `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${code} happened</Message>${fields}<RequestId>DOUBLE</RequestId></Error>`,
    ),
  };
}

export function answerTo(request: S3Request, body: Buffer, buckets: Map<string, Bucket>): Answer {
  const bucket = buckets.get(request.bucket);
  if (bucket === undefined) return errorAnswer(404, 'NoSuchBucket');
  return OPERATIONS[request.verb](request, bucket, body);
}

const OPERATIONS: Readonly<Record<S3Verb, (request: S3Request, bucket: Bucket, body: Buffer) => Answer>> = {
  put,
  get,
  head: get,
  list,
  delete: ({ key }, bucket) => {
    bucket.delete(key);
    return { status: 204, headers: {}, body: NOTHING };
  },
  'delete-batch': deleteBatch,
  other: () => errorAnswer(501, 'NotImplemented'),
};

function digest(algorithm: string, body: Buffer, encoding: 'hex' | 'base64'): string {
  return createHash(algorithm).update(body).digest(encoding);
}

/** The error of a checksum that doesn't match. */
function checksumError({ headers }: S3Request, body: Buffer): Answer | undefined {
  const given = [
    ['content-md5', 'BadDigest', digest('md5', body, 'base64')],
    ['x-amz-checksum-sha256', 'BadDigest', digest('sha256', body, 'base64')],
    ['x-amz-content-sha256', 'XAmzContentSHA256Mismatch', digest('sha256', body, 'hex')],
  ] as const;
  for (const [name, code, right] of given) {
    const value = headers[name];
    if (value !== undefined && value !== 'UNSIGNED-PAYLOAD' && value !== right) return errorAnswer(400, code);
  }
  return undefined;
}

function put(request: S3Request, bucket: Bucket, body: Buffer): Answer {
  const { headers, key } = request;
  if (headers['if-none-match'] === '*' && bucket.has(key)) return errorAnswer(412, 'PreconditionFailed');
  const wrong = checksumError(request, body);
  if (wrong !== undefined) return wrong;
  const etag = `"${digest('md5', body, 'hex')}"`;
  bucket.set(key, { body, etag, modifiedAt: new Date() });
  return { status: 200, headers: { etag }, body: NOTHING };
}

function get({ headers, key }: S3Request, bucket: Bucket): Answer {
  const found = bucket.get(key);
  if (found === undefined) return errorAnswer(404, 'NoSuchKey');
  const { body, etag, modifiedAt } = found;
  const own = { etag, 'last-modified': modifiedAt.toUTCString(), 'content-type': 'application/octet-stream' };
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  const size = body.byteLength;
  if (from === undefined) return { status: 200, headers: own, body };
  const first = Number(from);
  if (first >= size) return errorAnswer(416, 'InvalidRange', {}, `<ActualObjectSize>${size}</ActualObjectSize>`);
  const last = to === undefined || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return {
    status: 206,
    headers: { ...own, 'content-range': `bytes ${first}-${last}/${size}` },
    body: body.subarray(first, last + 1),
  };
}

function list({ query, bucket: name }: S3Request, bucket: Bucket): Answer {
  const prefix = query.get('prefix') ?? '';
  const after = query.get('continuation-token') ?? query.get('start-after') ?? '';
  const limit = Math.min(PAGE_KEYS, Number(query.get('max-keys') ?? PAGE_KEYS));
  const keys = [...bucket.keys()].filter((key) => key.startsWith(prefix) && compare(key, after) > 0).toSorted(compare);
  const page = keys.slice(0, limit);
  const shown = (key: string): string =>
    query.get('encoding-type') === 'url' ? encodeURIComponent(key).replaceAll('%2F', '/') : escaped(key);
  const contents = page.map((key) => {
    const { body, etag, modifiedAt } = bucket.get(key) as S3Object;
    return `<Contents><Key>${shown(key)}</Key><LastModified>${modifiedAt.toISOString()}</LastModified><ETag>${escaped(etag)}</ETag><Size>${body.byteLength}</Size></Contents>`;
  });
  const next = page.length < keys.length ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
  const encoding = query.get('encoding-type') === 'url' ? '<EncodingType>url</EncodingType>' : '';
  return xml(
    'ListBucketResult',
    `<Name>${name}</Name><KeyCount>${page.length}</KeyCount><IsTruncated>${next !== ''}</IsTruncated>${encoding}${next}${contents.join('')}`,
  );
}

function deleteBatch(request: S3Request, bucket: Bucket, body: Buffer): Answer {
  const { headers } = request;
  if (headers['content-md5'] === undefined && headers['x-amz-checksum-crc32'] === undefined) {
    return errorAnswer(400, 'InvalidRequest');
  }
  const wrong = checksumError(request, body);
  if (wrong !== undefined) return wrong;
  const keys = [...body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => key);
  if (keys.length > PAGE_KEYS) return errorAnswer(400, 'MalformedXML');
  for (const key of keys) bucket.delete(key);
  return xml('DeleteResult', keys.map((key) => `<Deleted><Key>${escaped(key)}</Key></Deleted>`).join(''));
}

function xml(root: string, content: string): Answer {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</${root}>`;
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: Buffer.from(text) };
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** By UTF-8 bytes. */
function compare(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
