//! Making a repository.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::objects::put_small;
use super::{InitOptions, Repository, Secret};
use crate::crypto::kdf;
use crate::crypto::ring::KeyRing;
use crate::error::{Code, Error, Result};
use crate::format::config::{Capabilities, Config, Features};
use crate::format::key::{KeyFile, NewKey};
use crate::format::{VERSION, limits, names, time};
use crate::world::{PutMode, World};

/// Makes a repository in the world's store. `ALREADY_EXISTS` if one is there; of racing inits one wins.
///
/// Order: key files, then config, whose creation decides, then its copy. A crash before that leaves key files
/// that no config names, and the next init succeeds.
pub async fn init<W: World>(world: &W, secret: Secret, options: InitOptions, label: &str) -> Result<Arc<Repository>> {
    world.call().set_phase("initializing");
    refuse_existing(world).await?;
    let id = world.id16();
    let master = match &secret {
        Secret::None => None,
        Secret::Master(key) => Some(key.clone()),
        Secret::Passphrase(passphrase) if passphrase.is_empty() => {
            return Err(Error::invalid("The passphrase is empty. Leave it out for a repository without encryption."));
        }
        Secret::Passphrase(_) => Some(Zeroizing::new(world.id32())),
    };
    let config = new_config(world, &id, master.is_some(), &options);
    config.check()?;
    let ring = KeyRing::new(id, 0, config.chunk_id, master);
    if let Secret::Passphrase(passphrase) = &secret {
        kdf::check_write(options.kdf)?;
        put_key(world, &ring, passphrase, label, options.kdf).await?;
    }
    let bytes = config.encode(&ring)?;
    create_config(world, &bytes).await?;
    Ok(Arc::new(Repository::new(config, ring, world.kernels())?))
}

fn new_config<W: World>(world: &W, id: &[u8; 16], encrypted: bool, options: &InitOptions) -> Config {
    Config {
        packvault: VERSION,
        id: hex::encode(id),
        epoch: 0,
        revision: 0,
        created_at: time::format(world.now_ms()),
        encryption: if encrypted { "aes-256-gcm" } else { "none" }.to_owned(),
        chunk_id: options.chunk_id,
        chunking: options.chunking,
        compression: options.compression,
        pack_size: options.pack_size,
        parity: options.parity,
        capabilities: Capabilities { exclusive_create: options.exclusive_create },
        features: Features::default(),
    }
}

async fn refuse_existing<W: World>(world: &W) -> Result<()> {
    // A lone copy is what is left of a repository that lost config.json: init itself creates that first.
    for key in [names::CONFIG, names::CONFIG_COPY] {
        match world.stat(key).await {
            Ok(_) => return Err(exists()),
            Err(e) if e.code == Code::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    let used = !world.list("snapshots/", "", 1).await?.is_empty() || !world.list("packs/", "", 1).await?.is_empty();
    if used {
        return Err(Error::new(
            Code::AlreadyExists,
            "There are backups here, but config.json and its copy are missing: this is a damaged repository, not an empty place. \
             Nothing was changed. Put back one of them from a copy of the repository.",
        ));
    }
    Ok(())
}

async fn create_config<W: World>(world: &W, bytes: &[u8]) -> Result<()> {
    match put_small(world, names::CONFIG, bytes, PutMode::Create).await {
        Ok(()) => {}
        Err(e) if e.code == Code::AlreadyExists => {
            let there = world.get(names::CONFIG, None, limits::SMALL_OBJECT).await?;
            if there.as_ref() != bytes {
                return Err(exists());
            }
        }
        Err(e) => return Err(e),
    }
    put_small(world, names::CONFIG_COPY, bytes, PutMode::Overwrite).await
}

fn exists() -> Error {
    Error::new(
        Code::AlreadyExists,
        "There is a repository here already. Nothing was changed. Open it, or choose another place.",
    )
}

/// Puts both copies of a new key file and returns its id.
pub async fn put_key<W: World>(
    world: &W,
    ring: &KeyRing,
    passphrase: &[u8],
    label: &str,
    cost: super::KdfCost,
) -> Result<String> {
    let master = ring.master().ok_or_else(|| Error::invalid("This repository is not encrypted: it has no keys."))?;
    let new = NewKey {
        id: world.id16(),
        repository: ring.id,
        label,
        created_at: time::format(world.now_ms()),
        random: world.id32(),
        cost,
    };
    let bytes = KeyFile::create(&new, passphrase, master, ring.salt_key())?;
    let id = hex::encode(new.id);
    super::objects::put_copies(world, &names::key(&id), &bytes).await?;
    Ok(id)
}
