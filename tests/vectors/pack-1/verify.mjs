// Reads these vectors with nothing but Node's standard library: a second implementation of docs/formats.md, for whoever doubts the first.
// node tests/vectors/pack-1/verify.mjs
import { strict as assert } from 'node:assert';
import crypto from 'node:crypto';
import fs from 'node:fs';

const read = name => fs.readFileSync(new URL(name, import.meta.url));
const text = name => read(name).toString('utf8');
const sha256 = (...parts) => crypto.createHash('sha256').update(Buffer.concat(parts)).digest();
const pem = name => text(name).slice(text(name).indexOf('-----BEGIN'));

// RFC 8785, for documents whose numbers are integers. Node sorts by UTF-16 code units, as the RFC does.
const canonical = value =>
  Array.isArray(value) ? `[${value.map(canonical).join()}]`
  : value !== null && typeof value === 'object' ? `{${Object.keys(value).sort().map(k => `${JSON.stringify(k)}:${canonical(value[k])}`).join()}}`
  : JSON.stringify(value);

const unwrap = (wrapped, keyFile) => {
  assert.equal(wrapped.Algorithm, 'RSA-OAEP-256');
  const key = { key: pem(keyFile), padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  const input = crypto.privateDecrypt(key, Buffer.from(wrapped.EncryptedKey, 'base64'));
  assert.equal(input.toString('latin1', 0, 8), '2.0\0\0\0\0\0');
  return input.subarray(8);
};

const gcm = (key, nonce, ciphertext, tag, aad) => {
  const cipher = crypto.createDecipheriv('aes-256-gcm', key, nonce).setAuthTag(tag);
  if (aad) cipher.setAAD(aad);
  return Buffer.concat([cipher.update(ciphertext), cipher.final()]);
};

const unseal = (key, sealed, nonceOf) => {
  const regions = [];
  for (let at = 0; at < sealed.length; at += 4194304 + 28) {
    const region = sealed.subarray(at, at + 4194304 + 28);
    assert.deepEqual(region.subarray(0, 12), nonceOf(regions.length));
    regions.push(gcm(key, region.subarray(0, 12), region.subarray(12, -16), region.subarray(-16)));
  }
  return Buffer.concat(regions);
};
const ourNonce = index => { const nonce = Buffer.alloc(12); nonce.writeBigUInt64LE(BigInt(index + 1), 4); return nonce; };
const pythonNonce = index => { const nonce = Buffer.alloc(12); nonce.writeBigUInt64BE(BigInt(index), 4); return nonce; };

// The seal: both keys give the content key, the content key gives the ZIP.
const sidecar = JSON.parse(text('sidecar.json'));
const encryption = JSON.parse(text('encryptiondata.json'));
assert.deepEqual(sidecar.encryption, encryption);
const key = unwrap(encryption.WrappedContentKey, 'clinic-key.pem');
assert.deepEqual(unwrap(JSON.parse(text('cloudarchive_escrow.json')).WrappedContentKey, 'escrow-key.pem'), key);
assert.deepEqual(unwrap(sidecar.escrow, 'escrow-key.pem'), key);
assert.equal(key.toString('hex'), text('content-key.hex'));
assert.deepEqual(unseal(key, read('pack.sealed'), ourNonce), read('plaintext.zip'));
assert.deepEqual(unseal(key, read('pack-python.sealed'), pythonNonce), read('plaintext.zip'));

// The sidecar: canonical, and true of the ciphertext and the manifest.
assert.equal(canonical(sidecar), text('sidecar.json'));
assert.equal(sidecar.length, read('pack.sealed').length);
assert.equal(sidecar.plaintextLength, read('plaintext.zip').length);
assert.equal(sidecar.sha256, sha256(read('pack.sealed')).toString('hex'));
assert.deepEqual(JSON.parse(text('manifest.json')).instances.map(i => i.instance), sidecar.instances);
assert.equal(canonical(JSON.parse(text('manifest.json'))), text('manifest.json'));
const [left, right] = sidecar.instances.map(i => sha256(Buffer.from([0]), Buffer.from(canonical(i))));
assert.equal(sidecar.instancesRoot, sha256(Buffer.from([1]), left, right).toString('hex'));

// The receipt.
const [header, payload, signature] = text('receipt.jws').split('.');
const [jwk] = JSON.parse(text('jwks.json')).keys;
assert.deepEqual(JSON.parse(Buffer.from(header, 'base64url')), { alg: 'ES256', kid: jwk.kid, typ: 'cloudarchive-receipt+jws' });
assert.equal(jwk.kid, sha256(Buffer.from(canonical({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }))).toString('base64url'));
const verifyKey = { key: crypto.createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' };
assert.ok(crypto.verify('sha256', Buffer.from(`${header}.${payload}`), verifyKey, Buffer.from(signature, 'base64url')));
assert.equal(Buffer.from(payload, 'base64url').toString(), text('receipt.json'));
assert.equal(canonical(JSON.parse(text('receipt.json'))), text('receipt.json'));
assert.equal(JSON.parse(text('receipt.json')).instancesRoot, sidecar.instancesRoot);

// The identifier secret: version 1, nonce, ciphertext, tag.
const secretKey = Buffer.from(crypto.hkdfSync('sha256', '4F7K-9QZ2-M3XV-T8BW-R6PD-1C5H', '', 'cloudarchive/identifier-secret/1', 32));
const box = read('identifier-secret.sealed');
const secret = gcm(secretKey, box.subarray(1, 13), box.subarray(13, 45), box.subarray(45), box.subarray(0, 1));
assert.equal(sidecar.patientHmac, crypto.createHmac('sha256', secret).update('PAT-001').digest('hex'));

console.log('pack-1: all vectors hold');
