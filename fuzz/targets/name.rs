//! Any octets as a name in a message, and as a name in text.

use meridian::wire::{LowerName, Name};

/// `data` is read both ways.
pub fn run(data: &[u8]) {
    let mut lower = LowerName::new();
    if let Ok(end) = lower.read(data, 0) {
        let name = Name::from_wire(&data[..end]).expect("what is read in a message is a name");
        assert_eq!(name.to_lower().as_wire(), lower.as_wire());
        assert_eq!(name.label_count(), lower.labels());
        read_back(&name);
    }
    if let Ok(name) = Name::parse(data, &Name::root()) {
        assert!(name.as_wire().len() <= 255);
        assert_eq!(Name::from_wire(name.as_wire()).as_ref(), Ok(&name));
        read_back(&name);
    }
}

/// The text of a name is the name.
fn read_back(name: &Name) {
    let text = name.to_string();
    assert_eq!(Name::parse(text.as_bytes(), &Name::root()).as_ref(), Ok(name), "{text}");
}
