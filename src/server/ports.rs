//! The ports that are in service.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::access::Admission;
use crate::aside::Aside;
use crate::claim::LockDirectory;
use crate::config::{self, Config, Instance};
use crate::drained::Drained;
use crate::port::Port;
use crate::session::Revived;

/// All of them. One is made when somebody comes to it.
pub(super) struct Ports {
    /// Whom each lets in, if not those it lists.
    admission: Option<Admission>,
    config: Rc<RefCell<Config>>,
    /// The places in it of the ports, in the order of their names.
    by_name: RefCell<Vec<usize>>,
    /// Those to which somebody came.
    open: RefCell<BTreeMap<String, Rc<Port>>>,
    locks: RefCell<Rc<LockDirectory>>,
    drained: Rc<Drained>,
    aside: Rc<Aside>,
}

impl Ports {
    /// None yet; which there are will be in `config`.
    pub(super) fn new(
        admission: Option<Admission>,
        config: Rc<RefCell<Config>>,
        drained: Rc<Drained>,
        aside: Rc<Aside>,
    ) -> Self {
        let locks = lock_directory(&config.borrow()).into();
        Ports {
            admission,
            config,
            by_name: RefCell::default(),
            open: RefCell::default(),
            locks,
            drained,
            aside,
        }
    }

    /// Where the lock files are.
    pub(super) fn locks(&self) -> Rc<LockDirectory> {
        Rc::clone(&self.locks.borrow())
    }

    /// Puts a configuration into service. Ports that are as they were keep their queue.
    pub(super) fn adopt(&self, mut config: Config) {
        // Only the generator asks for them.
        config.origins.clear();
        let mut by_name: Vec<_> = (0..config.ports.len()).collect();
        by_name.sort_by_key(|place| &config.ports[*place].name);
        let mut ports = self.open.take();
        let former = self.config.take();
        if former.server.lock_dir == config.server.lock_dir {
            let former = by_names(&former);
            let new = by_names(&config);
            ports.retain(|name, _| former.get(name.as_str()) == new.get(name.as_str()));
        } else {
            ports.clear();
            self.locks.replace(lock_directory(&config));
        }
        self.by_name.replace(by_name);
        self.open.replace(ports);
        self.config.replace(config);
    }

    /// The port of this name, or why there is none.
    pub(super) fn find(&self, name: &str) -> Result<Rc<Port>, String> {
        if let Some(port) = self.open.borrow().get(name) {
            return Ok(Rc::clone(port));
        }
        let config = self.config.borrow();
        let by_name = self.by_name.borrow();
        let search = |place: &usize| config.ports[*place].name.as_str().cmp(name);
        let Ok(at) = by_name.binary_search_by(search) else {
            return match config.port(name) {
                Err(error) => Err(error.to_string()),
                Ok(_) => Err(format!("port `{name}` is not in service")),
            };
        };
        let settings = &config.ports[by_name[at]];
        let listed = || Admission::Listed(settings.allow.clone());
        let admission = self.admission.clone().unwrap_or_else(listed);
        let locks = self.locks();
        let drained = Rc::clone(&self.drained);
        let aside = Rc::clone(&self.aside);
        let instance = Instance::Shared;
        let port = Port::new(settings, instance, admission, locks, drained, aside);
        let port = Rc::new(port);
        let mut open = self.open.borrow_mut();
        open.insert(name.to_owned(), Rc::clone(&port));
        Ok(port)
    }

    /// The port of a session that is not in the configuration any more, for as long as the session lasts.
    /// Nobody else gets in.
    pub(super) fn former(&self, revived: &Revived) -> Port {
        let mut settings = config::Port::new(revived.port());
        settings.devices = vec![revived.device()];
        let nobody = Admission::Listed(settings.allow.clone());
        let drained = Rc::clone(&self.drained);
        let aside = Rc::clone(&self.aside);
        let instance = Instance::Shared;
        Port::new(&settings, instance, nobody, self.locks(), drained, aside)
    }
}

fn lock_directory(config: &Config) -> Rc<LockDirectory> {
    Rc::new(LockDirectory::new(config.server.lock_dir.clone(), None))
}

fn by_names(config: &Config) -> BTreeMap<&str, &config::Port> {
    let ports = config.ports.iter();
    ports.map(|port| (port.name.as_str(), port)).collect()
}
