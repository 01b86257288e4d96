//! Reloads when files have changed and then stayed the same for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::files::Marks;
use super::{Cause, Refused, Reloader, Standing};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What the watch has seen so far.
struct Watch {
    /// As the files were when they were last read.
    read: Marks,
    /// How they have looked since, and since when.
    changed: Option<(Marks, Instant)>,
}

pub(super) async fn keep_watching(reloader: Arc<Reloader>) {
    let mut standing = reloader.standing();
    let mut watch = Watch::new(&standing);
    loop {
        tokio::time::sleep(LOOK).await;
        let now = reloader.standing();
        if now.loaded_at != standing.loaded_at {
            watch = Watch::new(&now);
            standing = now;
        }
        let Some(settle) = reloader.gateway.snapshot().config.reload.watch else {
            continue;
        };
        let read = watch.read.clone();
        // Looking at a file may hang as much as reading it.
        let Ok(marks) = tokio::task::spawn_blocking(move || read.again()).await else {
            continue;
        };
        if watch.is_due(marks, Instant::now(), settle) {
            // The log and the metrics tell of it. What could not be tried is tried again, after what it waited for.
            if let Err(Refused::Busy) = reloader.reload(Cause::Watch).await {
                reloader.hang_up();
            }
        }
    }
}

impl Watch {
    fn new(standing: &Standing) -> Watch {
        Watch {
            read: standing.marks.clone(),
            changed: None,
        }
    }

    /// Takes in how the files look. Whether they are to be read now: they have changed, and then stayed the same for `settle`.
    /// What is due counts as read, be it good or bad.
    fn is_due(&mut self, marks: Marks, now: Instant, settle: Duration) -> bool {
        if marks == self.read {
            self.changed = None;
            return false;
        }
        let since = match &self.changed {
            Some((same, since)) if *same == marks => *since,
            _ => now,
        };
        let is_due = now.duration_since(since) >= settle;
        if is_due {
            self.read = marks;
            self.changed = None;
        } else {
            self.changed = Some((marks, since));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SETTLE: Duration = Duration::from_secs(2);

    /// A folder with a file, and the watch of it.
    struct Scene {
        folder: std::path::PathBuf,
        watch: Watch,
        begun: Instant,
    }

    impl Scene {
        fn new(name: &str) -> Scene {
            let folder =
                std::env::temp_dir().join(format!("weir-watch-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("file"), "1").unwrap();
            let mut marks = Marks::default();
            marks.note(&folder.join("file"));
            let watch = Watch {
                read: marks,
                changed: None,
            };
            Scene {
                folder,
                watch,
                begun: Instant::now(),
            }
        }

        fn write(&self, text: &str) {
            std::fs::write(self.folder.join("file"), text).unwrap();
        }

        fn is_due(&mut self, seconds: u64) -> bool {
            let marks = self.watch.read.again();
            let now = self.begun + Duration::from_secs(seconds);
            self.watch.is_due(marks, now, SETTLE)
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    /// Lets `link` point elsewhere, in one step.
    fn point_to(folder: &Path, target: &str) {
        let fresh = folder.join("fresh");
        std::os::unix::fs::symlink(folder.join(target), &fresh).unwrap();
        std::fs::rename(&fresh, folder.join("link")).unwrap();
    }

    #[test]
    fn what_changes_is_read_once_it_has_settled_and_only_once() {
        let mut scene = Scene::new("settle");
        assert!(!scene.is_due(0));
        scene.write("22");
        assert!(!scene.is_due(1));
        assert!(!scene.is_due(2), "one second is not two");
        scene.write("333");
        assert!(!scene.is_due(3), "it changes again");
        assert!(!scene.is_due(4));
        assert!(scene.is_due(5));
        assert!(!scene.is_due(60), "it has been read");
    }

    #[test]
    fn what_changes_back_is_not_read() {
        let mut scene = Scene::new("back");
        let file = scene.folder.join("file");
        let aside = scene.folder.join("aside");
        std::fs::rename(&file, &aside).unwrap();
        assert!(!scene.is_due(1), "it is gone, which is a change");
        std::fs::rename(&aside, &file).unwrap();
        assert!(!scene.is_due(2) && !scene.is_due(60));
    }

    #[test]
    fn a_link_that_points_elsewhere_is_a_change() {
        let mut scene = Scene::new("link");
        std::fs::write(scene.folder.join("other"), "1").unwrap();
        point_to(&scene.folder, "file");
        scene.watch.read.note(&scene.folder.join("link"));
        assert!(!scene.is_due(0));
        point_to(&scene.folder, "other");
        assert!(!scene.is_due(1) && scene.is_due(3));
    }
}
