CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folders(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, scanned TEXT, unreadable INTEGER NOT NULL DEFAULT 0);
CREATE TABLE files(
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, folder INTEGER NOT NULL REFERENCES folders(id), length INTEGER NOT NULL,
    modified INTEGER NOT NULL, run INTEGER NOT NULL, state INTEGER NOT NULL, sha256 BLOB, reason TEXT, detail TEXT);
CREATE INDEX files_to_read ON files(run, id) WHERE state = 0;
CREATE INDEX files_by_content ON files(sha256);
CREATE TABLE contents(
    sha256 BLOB PRIMARY KEY, sop TEXT NOT NULL, sop_class TEXT NOT NULL, series TEXT, modality TEXT, transfer_syntax TEXT NOT NULL,
    length INTEGER NOT NULL, study TEXT NOT NULL, study_date TEXT, patient BLOB, accession BLOB, pack TEXT, born INTEGER) WITHOUT ROWID;
CREATE INDEX contents_by_instance ON contents(sop);
CREATE INDEX contents_by_pack ON contents(pack);
CREATE TABLE receipts(
    pack TEXT PRIMARY KEY, jws TEXT NOT NULL, study TEXT NOT NULL, length INTEGER NOT NULL, instances INTEGER NOT NULL,
    issued TEXT NOT NULL, immutable_until TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE uploads(pack TEXT PRIMARY KEY, sidecar BLOB NOT NULL, uploaded TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs(id INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL, finished TEXT, outcome TEXT, not_backed_up INTEGER);
CREATE TABLE claims(
    pack TEXT NOT NULL, sop TEXT NOT NULL, sha256 BLOB NOT NULL, sop_class TEXT NOT NULL, series TEXT, modality TEXT,
    transfer_syntax TEXT NOT NULL, length INTEGER NOT NULL, study TEXT NOT NULL, PRIMARY KEY (pack, sop, sha256)) WITHOUT ROWID;
PRAGMA user_version = 2;
INSERT INTO folders(id, path, scanned) VALUES (1, 'ROOT', '2026-01-01T12:00:00.0000000Z'), (2, 'ROOT-mistyped', NULL);
INSERT INTO files(id, path, folder, length, modified, run, state, sha256, reason) VALUES
    (1, 'ROOT/a', 1, 5, 100, 1, 1, x'0000000000000000000000000000000000000000000000000000000000000001', NULL),
    (2, 'ROOT/sub/deep/b', 1, 6, 200, 1, 1, x'0000000000000000000000000000000000000000000000000000000000000002', NULL),
    (3, 'ROOT/c', 1, 7, 300, 1, 0, NULL, NULL),
    (4, 'ROOT/d e', 1, 8, 400, 1, 2, NULL, 'not-dicom');
INSERT INTO contents(sha256, sop, sop_class, transfer_syntax, length, study, pack) VALUES
    (x'0000000000000000000000000000000000000000000000000000000000000001', '1.1', '1.2', '1.3', 5, '1.4', '019b0000-0000-7000-8000-000000000001'),
    (x'0000000000000000000000000000000000000000000000000000000000000002', '1.5', '1.2', '1.3', 6, '1.4', '019b0000-0000-7000-8000-000000000001');
INSERT INTO receipts(pack, jws, study, length, instances, issued, immutable_until) VALUES
    ('019b0000-0000-7000-8000-000000000001', 'jws', '1.4', 100, 2, '2026-01-01T12:00:00.0000000Z', '2036-01-01T12:00:00.0000000Z');
INSERT INTO runs(started, finished, outcome, not_backed_up) VALUES
    ('2026-01-01T11:00:00.0000000Z', '2026-01-01T12:00:00.0000000Z', 'Ok', 0), ('2026-01-02T11:00:00.0000000Z', '2026-01-02T12:00:00.0000000Z', 'Unreachable', 3);
