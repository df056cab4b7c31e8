//! The store after damage to its files: the same history or none, said loudly; never a shorter or another one.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tanist::adapters::store::audit::{AuditError, Found, Opened};
use tanist::model::chain::{Head, Verdict};

use crate::fixture::{Chance, after, all, copy, files, head_of, make, open, run};

const RECORDS: u64 = 600;
const FLIPS: u64 = 60;

/// Opens a damaged store, and wants it whole or set aside; then rebuilds it and wants it whole.
async fn judge(dir: &Path, promised: Head, what: &str) -> Opened {
    let (store, opened) = open(dir, promised).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    match &opened.found {
        Found::Intact => assert_eq!((opened.head, opened.missing_records), (promised, 0), "{what}"),
        Found::Quarantined { moved_to, why } => {
            assert!(moved_to.join("WHY").is_file() && !why.is_empty(), "{what}");
            assert_eq!((opened.head, opened.missing_records), (Head::GENESIS, promised.index.0), "{what}");
            store.append(after(Head::GENESIS, promised.index.0)).await.expect("rebuilt");
        }
        Found::Created => {
            assert_eq!((opened.head, opened.missing_records), (Head::GENESIS, promised.index.0), "{what}")
        }
    }
    if opened.found == Found::Created {
        store.append(after(Head::GENESIS, promised.index.0)).await.expect("rebuilt");
    }
    assert_eq!(store.verify().await, Ok(Verdict::Whole(promised)), "{what}");
    let wanted: Vec<_> = after(Head::GENESIS, promised.index.0).into_iter().map(|record| record.link).collect();
    assert_eq!(all(&store).await, wanted, "{what}");
    store.close().await.expect("closed");
    opened
}

fn flip(path: &Path, at: u64, bit: u64) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[usize::try_from(at).expect("small")] ^= 1 << bit;
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_flipped_bit_leaves_the_same_history_or_a_quarantine() {
    run(async {
        let base = tempfile::tempdir().expect("a folder");
        let promised = make(base.path(), RECORDS).await;
        let mut chance = Chance(0x7a61_6e69_7374);
        let mut quarantined = 0;
        for flip_number in 0..FLIPS {
            let dir = tempfile::tempdir().expect("a folder");
            copy(base.path(), dir.path());
            // Most places in the data, some in the small files.
            let small = files(&dir.path().join("store"), |name| name != "db");
            let target = match flip_number % 6 {
                5 => small[usize::try_from(flip_number / 6).expect("small") % small.len()].clone(),
                _ => dir.path().join("store/db"),
            };
            let (at, bit) = (chance.below(fs::metadata(&target).expect("a file").len()), chance.below(8));
            flip(&target, at, bit);
            let what = format!("flip {flip_number}: bit {bit} of byte {at} of {:?}", target.file_name());
            let opened = judge(dir.path(), promised, &what).await;
            if opened.found != Found::Intact {
                quarantined += 1;
            }
        }
        println!("{FLIPS} flips, {quarantined} quarantined, the others without effect on the history");
        assert!(0 < quarantined, "the test damages nothing");
    });
}

#[test]
fn a_cut_file_leaves_the_same_history_or_a_quarantine() {
    run(async {
        let base = tempfile::tempdir().expect("a folder");
        let promised = make(base.path(), RECORDS).await;
        let whole = fs::metadata(base.path().join("store/db")).expect("a file").len();
        for cut in [1, 512, 65_536, 600_000, whole / 2, whole - 7, whole] {
            let dir = tempfile::tempdir().expect("a folder");
            copy(base.path(), dir.path());
            let data = fs::OpenOptions::new().write(true).open(dir.path().join("store/db")).expect("a file");
            data.set_len(whole.saturating_sub(cut)).expect("cut");
            let opened = judge(dir.path(), promised, &format!("cut {cut} bytes")).await;
            assert!(cut < 65_536 || matches!(opened.found, Found::Quarantined { .. }), "cut {cut}: {opened}");
        }
    });
}

#[test]
fn a_zeroed_page_leaves_the_same_history_or_a_quarantine() {
    run(async {
        let base = tempfile::tempdir().expect("a folder");
        let promised = make(base.path(), RECORDS).await;
        let mut chance = Chance(42);
        for _ in 0..8 {
            let dir = tempfile::tempdir().expect("a folder");
            copy(base.path(), dir.path());
            let path = dir.path().join("store/db");
            let mut bytes = fs::read(&path).expect("a file");
            let page = chance.below(u64::try_from(bytes.len()).expect("small") / 4096);
            let from = usize::try_from(page * 4096).expect("small");
            bytes[from..from + 4096].fill(0);
            fs::write(&path, bytes).expect("written");
            let _whole_or_set_aside = judge(dir.path(), promised, &format!("page {page} zeroed")).await;
        }
    });
}

#[test]
fn damage_under_an_open_store_takes_it_out_of_use_until_it_is_reopened() {
    run(async {
        let dir = tempfile::tempdir().expect("a folder");
        let promised = make(dir.path(), 3000).await;
        let (store, _) = open(dir.path(), promised).await.expect("opened");
        let data = fs::OpenOptions::new().write(true).open(dir.path().join("store/db")).expect("a file");
        let length = data.metadata().expect("a file").len();
        data.write_all_at(&vec![0x5a; usize::try_from(length).expect("small")], 0).expect("overwritten");
        let error = store.verify().await.expect_err("most pages are read from the file again");
        assert!(matches!(error, AuditError::Down { .. }), "{error}");
        let again = store.append(after(promised, promised.index.0 + 1)).await;
        assert_eq!(again, Err(error), "it answers although it is out of use");
        let opened = store.reopen(promised).await.expect("reopened");
        assert!(matches!(opened.found, Found::Quarantined { .. }) && opened.missing_records == 3000, "{opened}");
        assert_eq!(store.append(after(Head::GENESIS, 3000)).await, Ok(promised));
        assert_eq!(store.checkpoint().await, Ok(promised));
    });
}

#[test]
fn missing_files_and_half_written_ones_are_survived() {
    run(async {
        let base = tempfile::tempdir().expect("a folder");
        let promised = make(base.path(), 50).await;
        for missing in ["db", "conf", "identity"] {
            let dir = tempfile::tempdir().expect("a folder");
            copy(base.path(), dir.path());
            fs::remove_file(dir.path().join("store").join(missing)).expect("removed");
            let _whole_or_set_aside = judge(dir.path(), promised, &format!("{missing} missing")).await;
        }
        // A kill during an open leaves this, and sled cannot open beside it.
        let dir = tempfile::tempdir().expect("a folder");
        copy(base.path(), dir.path());
        fs::write(dir.path().join("store/snap.0000000000000FFF.generating"), b"half").expect("written");
        assert_eq!(judge(dir.path(), promised, "half a snapshot").await.found, Found::Intact);
        // A kill during creation leaves this.
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(dir.path().join("store.new/blobs")).expect("a folder");
        fs::write(dir.path().join("store.new/conf"), b"half").expect("written");
        assert_eq!(judge(dir.path(), Head::GENESIS, "half a creation").await.found, Found::Created);
    });
}

#[test]
fn a_store_that_lost_its_folder_says_what_is_missing() {
    run(async {
        let dir = tempfile::tempdir().expect("a folder");
        let (_store, opened) = open(dir.path(), head_of(30)).await.expect("opened");
        assert_eq!(opened.to_string(), "audit store created; 30 records are to be rebuilt from the Raft log or a peer");
    });
}

#[test]
fn a_history_that_is_behind_or_beside_what_was_promised_is_set_aside() {
    run(async {
        let base = tempfile::tempdir().expect("a folder");
        make(base.path(), 50).await;
        let mut beside = head_of(30);
        beside.hash.0[0] ^= 1;
        for (promised, wanted) in [
            (head_of(53), "it ends in record 50 but record 53 was promised: the last 3 records are missing here"),
            (beside, "it ends in record 50 but record 30 was promised: differs at or before record 30"),
        ] {
            let dir = tempfile::tempdir().expect("a folder");
            copy(base.path(), dir.path());
            let (_store, opened) = open(dir.path(), promised).await.expect("opened");
            let Found::Quarantined { why, .. } = &opened.found else { panic!("not set aside: {opened}") };
            assert_eq!(why, wanted);
            assert!(opened.to_string().starts_with("audit store DAMAGED (it ends in record 50"), "{opened}");
        }
    });
}

/// Somebody with a hand in the files and knowledge of sled: its checksums are all right again afterwards.
#[test]
fn a_hand_that_edits_through_sled_is_named_with_the_record() {
    type Edit = fn(&sled::Db);
    let edits: [(Edit, &str); 5] = [
        (|db| overwrite(db, 20), "record 20 was changed"),
        (|db| drop(db.remove(record_key(20))), "record 20 was dropped"),
        (
            |db| drop(db.remove([b"c".as_slice(), &2_u64.to_be_bytes(), &21_u64.to_be_bytes()].concat())),
            "the indexes hold",
        ),
        (|db| drop(db.insert(record_key(60), b"x")), "record 51 was dropped"),
        (|db| drop(db.insert(b"z", b"x")), "a key is not one of ours"),
    ];
    run(async {
        let base = tempfile::tempdir().expect("a folder");
        let promised = make(base.path(), 50).await;
        for (edit, wanted) in edits {
            let dir = tempfile::tempdir().expect("a folder");
            copy(base.path(), dir.path());
            {
                let db = sled::open(dir.path().join("store")).expect("sled opens it");
                edit(&db);
                db.flush().expect("flushed");
            }
            let opened = judge(dir.path(), promised, wanted).await;
            let Found::Quarantined { why, .. } = &opened.found else { panic!("not set aside: {opened}") };
            assert!(why.starts_with(wanted), "{why}, expected {wanted}");
        }
    });
}

#[test]
fn the_rest_of_an_unfinished_append_is_removed() {
    let rest = [
        [b"r".as_slice(), &51_u64.to_be_bytes(), &3_u32.to_be_bytes()].concat(),
        [b"c".as_slice(), &2_u64.to_be_bytes(), &51_u64.to_be_bytes()].concat(),
    ];
    // Each on a fresh copy, for sled lets go of a closed one only a moment later.
    let edit = |from: &Path, each: &dyn Fn(&sled::Db, &[u8])| {
        let dir = tempfile::tempdir().expect("a folder");
        copy(from, dir.path());
        let db = sled::open(dir.path().join("store")).expect("sled opens it");
        rest.iter().for_each(|key| each(&db, key));
        db.flush().expect("flushed");
        dir
    };
    run(async {
        let base = tempfile::tempdir().expect("a folder");
        let promised = make(base.path(), 50).await;
        let written = edit(base.path(), &|db, key| drop(db.insert(key, b"")));
        let dir = tempfile::tempdir().expect("a folder");
        copy(written.path(), dir.path());
        assert_eq!(judge(dir.path(), promised, "the rest of an append").await.found, Found::Intact);
        edit(dir.path(), &|db, key| assert_eq!(db.get(key), Ok(None), "{key:?} is still there"));
    });
}

fn record_key(index: u64) -> Vec<u8> {
    [b"r".as_slice(), &index.to_be_bytes(), &0_u32.to_be_bytes()].concat()
}

fn overwrite(db: &sled::Db, index: u64) {
    let mut value = db.get(record_key(index)).expect("read").expect("there").to_vec();
    let last = value.len() - 1;
    value[last - 5] ^= 1;
    db.insert(record_key(index), value).expect("written");
}
