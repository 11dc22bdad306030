//! Variant files to flags and counts by gene.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::run::{Folder, fixture};

const CSQ: &str = "##INFO=<ID=CSQ,Number=.,Type=String,Description=\"Consequence annotations from \
                   Ensembl VEP. Format: Allele|Consequence|IMPACT|SYMBOL\">";
const ANN: &str = "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | \
                   Annotation | Annotation_Impact | Gene_Name | Gene_ID' \">";

/// A file with these header lines, samples and variants; blanks become tabs.
fn vcf(header: &str, samples: &str, variants: &[&str]) -> String {
    let names = format!("#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT {samples}");
    let lines: Vec<String> = std::iter::once(names.as_str())
        .chain(variants.iter().copied())
        .map(|line| line.replace(' ', "\t"))
        .collect();
    format!("##fileformat=VCFv4.2\n{header}\n##odd=<\n{}\n", lines.join("\n"))
}

const SICK: [&str; 7] = [
    "chr5 171410539 . C CTCTG . PASS CSQ=TCTG|frameshift_variant|HIGH|NPM1 GT:DP:AD 0/1:100:60,40",
    "chr17 7674220 . C T . PASS CSQ=T|missense_variant|MODERATE|TP53 GT:DP:AD 1/1:50:1,49",
    // None of these counts: little impact, not passed, too few of the reads, not in the sample.
    "chr17 7674221 . G A . PASS CSQ=A|synonymous_variant|LOW|TP53 GT:DP:AD 0/1:50:25,25",
    "chr17 7674230 . G A . germline CSQ=A|missense_variant|MODERATE|TP53 GT:DP:AD 0/1:50:25,25",
    "chr17 7674240 . G A . PASS CSQ=A|missense_variant|MODERATE|TP53 GT:DP:AD 0/1:100:98,2",
    "chr17 7674250 . G A . PASS CSQ=A|missense_variant|MODERATE|TP53 GT:DP:AD 0/0:50:50,0",
    // Read too seldom to say anything.
    "chr13 28034118 . A G . PASS CSQ=G|missense_variant|MODERATE|FLT3 GT:DP:AD 0/1:5:3,2",
];

const HEADER: &str = "patient,npm1,tp53,tp53_alleles,tp53_fraction,flt3";

#[test]
fn variants_that_count_become_flags_and_counts_and_what_is_open_is_missing() {
    let folder = Folder::new();
    folder.write("sick.vcf", vcf(CSQ, "P1", &SICK));
    folder.write("well.vcf", vcf(CSQ, "P2", &[]));
    let uncalled = "chr17 1 . C T . PASS CSQ=T|missense_variant|MODERATE|TP53 GT:DP:AD ./.:0:.";
    folder.write("open.vcf", vcf(CSQ, "P3", &[uncalled]));
    let files = ["sick.vcf", "well.vcf", "open.vcf"];
    let table = folder.table("vcf", &files, &fixture("vcf/panel.toml"));
    assert_eq!(table, [HEADER, "P1,1,1,2,0.98,", "P2,0,0,0,0,0", "P3,0,,,,0"]);
}

#[test]
fn a_gene_that_no_file_names_is_asked_about() {
    let folder = Folder::new();
    folder.write("sick.vcf", vcf(CSQ, "P1", &SICK[1..]));
    let mapping = fixture("vcf/panel.toml");
    let to = ["vcf", "sick.vcf", "--mapping", &mapping, "--out", "t.csv"];
    let said = folder.convert(&to).succeeds().log;
    assert!(said.contains("no file names NPM1"), "{said}");
    assert!(!said.contains("TP53"), "{said}");
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut to = GzEncoder::new(Vec::new(), Compression::default());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

#[test]
fn a_zipped_file_is_the_same_and_one_that_is_cut_is_refused() {
    let folder = Folder::new();
    let mapping = fixture("vcf/panel.toml");
    let text = vcf(CSQ, "P1", &SICK);
    // Several members, as bgzip writes them.
    let (one, two) = text.as_bytes().split_at(text.len() / 2);
    let whole = [zipped(one), zipped(two)].concat();
    folder.write("p.vcf.gz", &whole);
    let table = folder.table("vcf", &["p.vcf.gz"], &mapping);
    assert_eq!(table, [HEADER, "P1,1,1,2,0.98,"]);
    folder.write("p.vcf.gz", &whole[..whole.len() - 20]);
    assert!(folder.refused("vcf", &["p.vcf.gz"], &mapping).contains("copy the file again"));
    // Blocks of bgzip are whole wherever they end; only the last one says that it is.
    let blocks = flate2::GzBuilder::new().extra(vec![b'B', b'C', 2, 0, 0, 0]);
    let mut to = blocks.write(Vec::new(), Compression::default());
    to.write_all(text.as_bytes()).unwrap();
    let mut blocks = to.finish().unwrap();
    folder.write("p.vcf.gz", &blocks);
    let said = folder.refused("vcf", &["p.vcf.gz"], &mapping);
    assert!(said.contains("its last block is missing"), "{said}");
    blocks.extend([31, 139, 8, 4, 0, 0, 0, 0, 0, 255, 6, 0, 66, 67, 2, 0, 27, 0, 3, 0]);
    blocks.extend([0; 8]);
    folder.write("p.vcf.gz", &blocks);
    assert_eq!(folder.table("vcf", &["p.vcf.gz"], &mapping)[1], "P1,1,1,2,0.98,");
}

fn mapping(panel: &str, gene: &str) -> String {
    format!(
        "[vcf]\n{panel}\n[[column]]\nname = \"gene\"\nkind = \"flag\"\n\
         from = {{ variants = \"{gene}\" }}\n[[column]]\nname = \"n\"\nkind = \"numeric\"\n\
         from = {{ variants = \"{gene}\", take = \"variants\" }}\n"
    )
}

#[test]
fn one_sample_of_several_is_named() {
    let folder = Folder::new();
    folder.write("map.toml", mapping("annotation = \"ANN\"\nid = \"file\"", "TP53"));
    let variant = "17 1 . C T . PASS ANN=T|missense|MODERATE|TP53|ENSG1 GT 0/0 0|1";
    folder.write("p7.vcf", vcf(ANN, "NORMAL TUMOR", &[variant]));
    let said = folder.refused("vcf", &["p7.vcf"], "map.toml");
    assert!(said.contains("has 2 samples, but `NORMAL`, `TUMOR`"), "{said}");
    let of =
        |sample: &str| folder.table("vcf", &["p7.vcf", "--sample", sample], "map.toml")[1].clone();
    assert_eq!(of("TUMOR"), "p7,1,1");
    assert_eq!(of("NORMAL"), "p7,0,0");
    let said = folder.refused("vcf", &["p7.vcf", "--sample", "BLOOD"], "map.toml");
    assert!(said.contains("has no sample `BLOOD`"), "{said}");
}

#[test]
fn an_effect_counts_for_its_own_alternate() {
    let folder = Folder::new();
    folder.write("map.toml", mapping("annotation = \"CSQ\"", "TP53"));
    let of = |alternates: &str, genotype: &str, effects: &str| {
        let variant = format!("17 1 . C {alternates} . PASS CSQ={effects} GT {genotype}");
        folder.write("p.vcf", vcf(CSQ, "P1", &[&variant]));
    };
    let effects = "T|missense|MODERATE|TP53,A|missense|MODERATE|OTHER";
    of("T,A", "0/1", effects);
    assert_eq!(folder.table("vcf", &["p.vcf"], "map.toml")[1], "P1,1,1");
    of("T,A", "0/2", effects);
    assert_eq!(folder.table("vcf", &["p.vcf"], "map.toml")[1], "P1,0,0");
    // A deletion upstream and a reference block are no variants.
    of("*,<NON_REF>", "1/2", effects);
    assert_eq!(folder.table("vcf", &["p.vcf"], "map.toml")[1], "P1,0,0");
    of("TG,AG", "0/1", "-|missense|MODERATE|TP53");
    let said = folder.refused("vcf", &["p.vcf"], "map.toml");
    assert!(said.contains("line 5: has several alternates"), "{said}");
}

#[test]
fn regions_are_those_of_the_files_reference_genome() {
    let folder = Folder::new();
    let panel = "assembly = \"GRCh38\"\nregions = \"\"\"\nchr17 7668402 7687550 TP53\n\"\"\"";
    folder.write("map.toml", mapping(panel, "TP53"));
    let inside = ["17 7668403 . C T . PASS . GT 0/1", "17 7687551 . C T . PASS . GT 0/1"];
    let contigs = "##contig=<ID=1,length=248956422>\n##contig=<ID=17,length=83257441>";
    folder.write("p.vcf", vcf(contigs, "P1", &inside));
    assert_eq!(folder.table("vcf", &["p.vcf"], "map.toml")[1], "P1,1,1");
    // A deletion that begins before the gene and reaches into it.
    folder.write("p.vcf", vcf(contigs, "P1", &["17 7668400 . CAAA C . PASS . GT 0/1"]));
    assert_eq!(folder.table("vcf", &["p.vcf"], "map.toml")[1], "P1,1,1");
    let older = contigs.replace("248956422", "249250621");
    folder.write("p.vcf", vcf(&older, "P1", &inside));
    let said = folder.refused("vcf", &["p.vcf"], "map.toml");
    assert!(said.contains("chromosome 1 has another length"), "{said}");
    folder.write("p.vcf", vcf("##contig=<ID=NC_000017.11>", "P1", &inside));
    let said = folder.refused("vcf", &["p.vcf"], "map.toml");
    assert!(said.contains("has no chromosome `17`"), "{said}");
}

/// Walked once an alternate, and once more an effect, such a line would take hours.
#[test]
fn a_line_of_many_alternates_and_effects_is_read_in_a_moment() {
    let folder = Folder::new();
    folder.write("map.toml", mapping("annotation = \"CSQ\"", "TP53"));
    // A thousand different texts of six bases.
    let base = |number: usize, digit: u32| ["A", "C", "G", "T"][number / 4_usize.pow(digit) % 4];
    let allele = |number: usize| (0..5).fold("A".to_owned(), |own, k| own + base(number, k));
    let alternates: Vec<String> = (0..1000).map(allele).collect();
    let effects: Vec<String> =
        (0..20_000).map(|k| format!("{}|missense|MODERATE|TP53", alternates[k % 1000])).collect();
    let genotype: Vec<String> = (0..=1000).map(|k: usize| k.to_string()).collect();
    let of = |effects: &[String]| {
        let (alternates, effects) = (alternates.join(","), effects.join(","));
        let genotype = genotype.join("/");
        format!("17 1 . C {alternates} . PASS CSQ={effects} GT {genotype}")
    };
    folder.write("p.vcf", vcf(CSQ, "P1", &[&of(&effects)]));
    let start = std::time::Instant::now();
    assert_eq!(folder.table("vcf", &["p.vcf"], "map.toml")[1], "P1,1,1000");
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
    let many: Vec<String> = std::iter::repeat_n(effects[0].clone(), 200_001).collect();
    folder.write("p.vcf", vcf(CSQ, "P1", &[&of(&many)]));
    let said = folder.refused("vcf", &["p.vcf"], "map.toml");
    assert!(said.contains("line 5: its annotation has more than 200000 effects"), "{said}");
}

#[test]
fn neither_columns_nor_samples_go_on_without_end() {
    let folder = Folder::new();
    folder.write("map.toml", mapping("annotation = \"CSQ\"", "TP53"));
    let refused = |text: String| {
        folder.write("p.vcf", text);
        folder.refused("vcf", &["p.vcf"], "map.toml")
    };
    let said = refused(vcf(CSQ, &"S ".repeat(100_001), &[]));
    assert!(said.contains("line 4: has more than 100000 samples"), "{said}");
    let said = refused(vcf(CSQ, "P1", &[&" ".repeat(1 << 20)]));
    assert!(said.contains("line 5: has more columns than the header, which has 10"), "{said}");
}

#[test]
fn a_fault_of_a_file_is_told_with_its_line() {
    let folder = Folder::new();
    let panel = fixture("vcf/panel.toml");
    let effect = "CSQ=T|missense|MODERATE|TP53";
    for (variant, says) in [
        (format!("17 1 . C T . . {effect} GT:DP:AD 0/1:50:25,25"), "FILTER is `.`"),
        (format!("17 1 . C T . PASS {effect} DP:AD 50:25,25"), "has no GT"),
        (format!("17 1 . C T . PASS {effect} GT:DP:AD 0/3:50:25,25"), "ALT has not"),
        (format!("17 1 . C T . PASS {effect} GT:DP:AD a/b:50:25,25"), "no genotype"),
        (format!("17 1 . C T . PASS {effect} GT 0/1"), "no DP or AD"),
        (format!("17 1 . C T . PASS {effect} GT:DP 0/1:50"), "no AD or AF"),
        (format!("17 1 . C T . PASS {effect} GT:DP:AF 0/1:50:7"), "no share of reads"),
        (format!("17 1 . C T . PASS {effect} GT:DP:AD 0/1:50:25"), "reads of each allele"),
        (format!("17 x . C T . PASS {effect} GT 0/1"), "POS is no whole number"),
        ("17 1 . C T . PASS".to_owned(), "has 7 columns and the header 10"),
    ] {
        folder.write("p.vcf", vcf(CSQ, "P1", &[&variant]));
        let said = folder.refused("vcf", &["p.vcf"], &panel);
        assert!(said.contains("p.vcf: line 5: ") && said.contains(says), "{variant}: {said}");
    }
    for (text, says) in [
        (String::new(), "ends before its line of column names"),
        ("PK\u{3}\u{4}".to_owned(), "it is no VCF 4 file"),
        (vcf(ANN, "P1", &[]), "no INFO field `CSQ`"),
        (vcf(CSQ, "", &[]).replace("\tFORMAT\t", ""), "has no sample"),
        (vcf(&CSQ.replace("|SYMBOL", ""), "P1", &[]), "the annotation has no field `SYMBOL`"),
        (format!("##fileformat=VCFv4.2\n#{}\n", "x".repeat(17 << 20)), "is longer than"),
    ] {
        folder.write("p.vcf", text);
        let said = folder.refused("vcf", &["p.vcf"], &panel);
        assert!(said.contains(says), "{says}: {said}");
    }
}
