//! Deleting a stack: its servers are stopped, and what it made in its folder goes, and nothing else.

use std::fs;
use std::io;
use std::path::Path;

use crate::control;
use crate::endpoints;
use crate::error::{Error, IoContext};
use crate::options::{Options, Server};
use crate::progress::Progress;

/// Stops both servers and deletes all their data. Asks nothing: that is `cli`'s.
///
/// # Errors
/// [`Error::NotAStack`] when the folder exists and no stack was ever started in it: a mistyped `--dir` deletes
/// nothing. Files of others in the folder are kept, and the folder with them.
pub fn reset(options: &Options) -> Result<(), Error> {
    let dir = &options.dir;
    if !dir.exists() {
        return Ok(());
    }
    if !is_stack(dir) {
        return Err(Error::NotAStack { path: dir.clone() });
    }
    let progress = Progress::new(options.quiet);
    let _lock = control::lock(options, &progress)?;
    control::stop_locked(options, &Server::ALL, &progress)?;
    for server in Server::ALL {
        let home = options.layout(server).home;
        absent_is_fine(fs::remove_dir_all(&home)).at("delete", &home)?;
    }
    // Last of all the lock file: whoever waits for it finds it gone and makes a new one (see `lock`).
    for file in [endpoints::file(dir), dir.join("stack.lock")] {
        absent_is_fine(fs::remove_file(&file)).at("delete", &file)?;
    }
    match fs::remove_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        other => absent_is_fine(other).at("delete", dir),
    }
}

/// Whether a stack was ever started in `dir`.
pub(crate) fn is_stack(dir: &Path) -> bool {
    dir.join("stack.lock").is_file()
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_no_stack_is_left_alone() {
        let dir = tempfile::tempdir().expect("temp dir");
        fs::create_dir(dir.path().join("kafka")).expect("folder");
        let refused = reset(&Options::for_test(dir.path(), "tributary"));
        assert!(matches!(refused, Err(Error::NotAStack { .. })), "{refused:?}");
        assert!(dir.path().join("kafka").is_dir());
    }

    #[test]
    fn files_of_others_survive_a_reset() {
        let dir = tempfile::tempdir().expect("temp dir");
        for name in ["stack.lock", "endpoints.json", "notes.txt"] {
            fs::write(dir.path().join(name), "{}").expect("file");
        }
        fs::create_dir_all(dir.path().join("kafka/data")).expect("folder");
        reset(&Options::for_test(dir.path(), "tributary")).expect("reset");
        let left: Vec<_> = fs::read_dir(dir.path()).expect("folder").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
    }
}
