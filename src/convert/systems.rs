//! Code systems: the prefix of their codes, the URIs that FHIR has for them, and what a packet has to
//! say of each that it uses.

use serde_json::{Value, json};

use super::mapping::Mapping;

struct System {
    /// As codes have it: `HP` of `HP:0001903`.
    prefix: &'static str,
    name: &'static str,
    url: &'static str,
    /// What a code without its prefix is appended to.
    iri: &'static str,
    /// As FHIR names it.
    uris: &'static [&'static str],
}

static KNOWN: [System; 16] = [
    System {
        prefix: "HP",
        name: "Human Phenotype Ontology",
        url: "http://purl.obolibrary.org/obo/hp.owl",
        iri: "http://purl.obolibrary.org/obo/HP_",
        uris: &["http://purl.obolibrary.org/obo/hp.owl", "http://human-phenotype-ontology.org"],
    },
    System {
        prefix: "MONDO",
        name: "Mondo Disease Ontology",
        url: "http://purl.obolibrary.org/obo/mondo.owl",
        iri: "http://purl.obolibrary.org/obo/MONDO_",
        uris: &["http://purl.obolibrary.org/obo/mondo.owl"],
    },
    System {
        prefix: "NCIT",
        name: "NCI Thesaurus",
        url: "http://purl.obolibrary.org/obo/ncit.owl",
        iri: "http://purl.obolibrary.org/obo/NCIT_",
        uris: &[
            "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
            "http://purl.obolibrary.org/obo/ncit.owl",
        ],
    },
    System {
        prefix: "OMIM",
        name: "Online Mendelian Inheritance in Man",
        url: "https://www.omim.org",
        iri: "https://www.omim.org/entry/",
        uris: &["http://www.omim.org", "https://www.omim.org", "https://omim.org"],
    },
    System {
        prefix: "ORPHA",
        name: "Orphanet nomenclature of rare diseases",
        url: "https://www.orpha.net",
        iri: "http://www.orpha.net/ORDO/Orphanet_",
        uris: &["http://www.orpha.net", "https://www.orpha.net"],
    },
    System {
        prefix: "LOINC",
        name: "Logical Observation Identifiers Names and Codes",
        url: "https://loinc.org",
        iri: "https://loinc.org/",
        uris: &["http://loinc.org"],
    },
    System {
        prefix: "SNOMED",
        name: "SNOMED Clinical Terms",
        url: "https://www.snomed.org",
        iri: "http://snomed.info/id/",
        uris: &["http://snomed.info/sct"],
    },
    System {
        prefix: "ICD10",
        name: "International Classification of Diseases, 10th revision",
        url: "https://icd.who.int/browse10",
        iri: "https://icd.who.int/browse10/2019/en#/",
        uris: &["http://hl7.org/fhir/sid/icd-10"],
    },
    System {
        prefix: "ICD10CM",
        name: "ICD-10, Clinical Modification",
        url: "https://www.cdc.gov/nchs/icd/icd-10-cm",
        iri: "https://icd10cmtool.cdc.gov/?fy=FY2024&query=",
        uris: &["http://hl7.org/fhir/sid/icd-10-cm"],
    },
    System {
        prefix: "ICD10GM",
        name: "ICD-10, German Modification",
        url: "https://www.bfarm.de",
        iri: "http://fhir.de/CodeSystem/bfarm/icd-10-gm/",
        uris: &["http://fhir.de/CodeSystem/bfarm/icd-10-gm"],
    },
    System {
        prefix: "ICDO3",
        name: "International Classification of Diseases for Oncology, third edition",
        url: "https://www.who.int",
        iri: "http://terminology.hl7.org/CodeSystem/icd-o-3/",
        uris: &["http://terminology.hl7.org/CodeSystem/icd-o-3"],
    },
    System {
        prefix: "RXNORM",
        name: "RxNorm",
        url: "https://www.nlm.nih.gov/research/umls/rxnorm",
        iri: "http://purl.bioontology.org/ontology/RXNORM/",
        uris: &["http://www.nlm.nih.gov/research/umls/rxnorm"],
    },
    System {
        prefix: "ATC",
        name: "Anatomical Therapeutic Chemical classification",
        url: "https://www.whocc.no",
        iri: "http://www.whocc.no/atc/",
        uris: &["http://www.whocc.no/atc"],
    },
    System {
        prefix: "UCUM",
        name: "Unified Code for Units of Measure",
        url: "https://ucum.org",
        iri: "http://unitsofmeasure.org/",
        uris: &["http://unitsofmeasure.org"],
    },
    System {
        prefix: "GENO",
        name: "Genotype Ontology",
        url: "http://purl.obolibrary.org/obo/geno.owl",
        iri: "http://purl.obolibrary.org/obo/GENO_",
        uris: &["http://purl.obolibrary.org/obo/geno.owl"],
    },
    System {
        prefix: "hgnc.symbol",
        name: "HUGO Gene Nomenclature Committee, symbols",
        url: "https://www.genenames.org",
        iri: "https://identifiers.org/hgnc.symbol:",
        uris: &["http://www.genenames.org"],
    },
];

/// A code with its system in front, as a mapping has it; `system|code` of one that nobody named.
pub(crate) fn coded(mapping: &Mapping, uri: &str, code: &str) -> String {
    let known = || KNOWN.iter().find(|own| own.uris.contains(&uri)).map(|own| own.prefix);
    let Some(prefix) = mapping.systems.get(uri).map(String::as_str).or_else(known) else {
        return format!("{uri}|{code}");
    };
    // Codes of some ontologies have their prefix already.
    match code.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(':')) {
        true => code.to_owned(),
        false => format!("{prefix}:{code}"),
    }
}

/// What a packet says of a system that it uses.
pub(crate) fn resource(mapping: &Mapping, prefix: &str) -> Value {
    // Whoever made the table knows which edition its codes are of; the mapping does not.
    let version = "not stated";
    match KNOWN.iter().find(|own| own.prefix == prefix) {
        Some(own) => json!({
            "id": prefix.to_lowercase(), "name": own.name, "url": own.url, "version": version,
            "namespacePrefix": prefix, "iriPrefix": own.iri,
        }),
        None => {
            let named = mapping.systems.iter().find(|(_, own)| *own == prefix);
            let uri = named.map_or_else(|| format!("urn:{prefix}"), |(uri, _)| uri.clone());
            json!({
                "id": prefix.to_lowercase(), "name": prefix, "url": uri, "version": version,
                "namespacePrefix": prefix, "iriPrefix": format!("{uri}/"),
            })
        }
    }
}
