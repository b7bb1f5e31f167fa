//! The disk says no, or the process dies, at the Nth sync of the database's thread. strace injects it;
//! where there is no strace (or no ptrace) there is nothing to run.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use formats::checkpoint::LogOrigin;

use super::world::*;
use crate::store::{Options, ProofBase, Store};

/// Not a test of its own: the process that the tests below start and make fail.
#[tokio::test]
#[ignore = "started by the tests of this file, under strace"]
async fn victim() {
    let here = std::env::current_dir().unwrap();
    let (identity, _) = Authority::new(&here).station();
    let mut options = Options::new(identity);
    options.free_floor_bytes = 0;
    let store = Store::open(&here.join("data"), options).await.unwrap();
    for number in 0..100 {
        accept(&store, letter(number).accept(1, Some("relay-2"))).await;
        println!("acked {number}");
    }
}

/// Runs the victim with an injection; `None` where that cannot be done.
fn run(folder: &Path, injection: &str) -> Option<Output> {
    let works = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output();
    if !works.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let me = std::env::current_exe().unwrap();
    let output = Command::new("strace")
        .args([
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync,fdatasync",
            "-e",
            injection,
        ])
        .arg(me)
        .args([
            "--exact",
            "store::tests::faults::victim",
            "--ignored",
            "--nocapture",
        ])
        .current_dir(folder)
        .output();
    Some(output.unwrap())
}

/// Every acknowledged envelope is there, proven, and the log opens.
async fn everything_acked_is_there(folder: &Path, output: &Output) -> usize {
    let text = String::from_utf8_lossy(&output.stdout);
    let acked = text
        .lines()
        .filter_map(|line| line.split_once("acked "))
        .count();
    let world = World::new();
    let mut options = world.options();
    options.desk_schema = &[];
    options.log.origin = LogOrigin::new(station("relay-1"), 1);
    let store = Store::open(&folder.join("data"), options).await.unwrap();
    for number in 0..acked {
        let id = letter(u64::try_from(number).unwrap()).id();
        let found = store.find(&agency("G14"), &id).await.unwrap().unwrap();
        let bundle = store
            .statements(found.key, &[], ProofBase::Newest)
            .await
            .unwrap();
        assert_eq!(world.check(&bundle.unwrap()).1.len(), 1);
    }
    acked
}

#[tokio::test]
async fn a_sync_that_fails_ends_the_process_with_74_and_loses_nothing_answered() {
    // Setting up takes fewer syncs on any thread; the 14th and the 40th are commits.
    for nth in [14, 40] {
        let folder = tempfile::tempdir().unwrap();
        let injection = format!("inject=fsync,fdatasync:error=EIO:when={nth}");
        let Some(output) = run(folder.path(), &injection) else {
            return;
        };
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(74), "{told}");
        let acked = everything_acked_is_there(folder.path(), &output).await;
        assert!(acked < 100, "{acked}");
    }
}

#[tokio::test]
async fn a_process_killed_at_a_sync_loses_nothing_answered() {
    for nth in [15, 33] {
        let folder = tempfile::tempdir().unwrap();
        let injection = format!("inject=fsync,fdatasync:signal=KILL:when={nth}");
        let Some(output) = run(folder.path(), &injection) else {
            return;
        };
        let killed = output.status.signal() == Some(9) || output.status.code() == Some(137);
        assert!(killed, "{:?}", output.status);
        everything_acked_is_there(folder.path(), &output).await;
    }
}
