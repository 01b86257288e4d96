//! Where a running server can be asked: a small file in the folder of its store, since whoever finds the store locked wants to
//! know who has it. It must not know what is asked.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const NAME: &str = "weir.admin";

/// The file, for as long as the server runs.
pub struct Place(PathBuf);

impl Place {
    /// Says in the store's folder where the admin listener is. Readable for weir's own user alone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn tell(folder: &Path, address: SocketAddr) -> std::io::Result<Place> {
        let (fresh, path) = (folder.join("weir.admin.new"), folder.join(NAME));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        writeln!(file, "{address}")?;
        std::fs::rename(&fresh, &path)?;
        Ok(Place(path))
    }

    /// Where a server said that it is. It may have ended without taking that back.
    pub fn told(folder: &Path) -> Option<SocketAddr> {
        let text = std::fs::read_to_string(folder.join(NAME)).ok()?;
        text.trim().parse().ok().map(reachable)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What it said is checked before it is believed.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What listens on every address is reached on this machine's own.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_while_it_stands() {
        let folder = std::env::temp_dir().join(format!("weir-place-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(Place::told(&folder), None);
        let place = Place::tell(&folder, "0.0.0.0:9090".parse().unwrap()).unwrap();
        assert_eq!(
            Place::told(&folder),
            Some("127.0.0.1:9090".parse().unwrap())
        );
        drop(place);
        assert_eq!(Place::told(&folder), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
