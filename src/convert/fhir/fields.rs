//! The fields of a resource that are read, as they come and within bounds; all others are passed over
//! without room being made for them.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Values in the fields of a resource that are read, of which real ones have some hundred.
pub(super) const MOST_VALUES: usize = 100_000;
/// The fields that are read, of any type.
const FIELDS: [&str; 25] = [
    "resourceType",
    "id",
    "gender",
    "birthDate",
    "deceasedBoolean",
    "deceasedDateTime",
    "status",
    "code",
    "subject",
    "effectiveDateTime",
    "effectiveInstant",
    "effectivePeriod",
    "valueQuantity",
    "valueCodeableConcept",
    "valueBoolean",
    "valueInteger",
    "interpretation",
    "referenceRange",
    "component",
    "verificationStatus",
    "onsetDateTime",
    "onsetAge",
    "onsetPeriod",
    "onsetRange",
    "recordedDate",
];

/// The fields of a resource that any type has.
pub(super) struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a resource")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let left = Cell::new(MOST_VALUES);
        let mut fields = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            if FIELDS.contains(&name.as_str()) {
                fields.insert(name, from.next_value_seed(Bounded { left: &left })?);
            } else {
                from.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(fields))
    }
}

/// A value of which so many parts are taken, in all.
struct Bounded<'a> {
    left: &'a Cell<usize>,
}

impl Bounded<'_> {
    /// One more value.
    fn one<E: serde::de::Error>(&self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| {
            E::custom(format!("a resource has at most {MOST_VALUES} values in what is read"))
        })?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        self.one::<D::Error>()?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, own: bool) -> Result<Value, E> {
        Ok(own.into())
    }

    fn visit_i64<E>(self, own: i64) -> Result<Value, E> {
        Ok(own.into())
    }

    fn visit_u64<E>(self, own: u64) -> Result<Value, E> {
        Ok(own.into())
    }

    fn visit_f64<E>(self, own: f64) -> Result<Value, E> {
        Ok(own.into())
    }

    fn visit_str<E>(self, own: &str) -> Result<Value, E> {
        Ok(own.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(own) = from.next_element_seed(Bounded { left: self.left })? {
            all.push(own);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            all.insert(name, from.next_value_seed(Bounded { left: self.left })?);
        }
        Ok(Value::Object(all))
    }
}
