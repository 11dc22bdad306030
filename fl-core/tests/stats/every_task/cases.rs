//! An example of every task of the binary, over the columns of the schema above it.

/// Every task, and the forms that differ in their sums.
pub(crate) const CASES: &[(&str, &str)] = &[
    ("table1", "columns = [\"age\", \"hb\", \"a\"]\nby = \"sex\""),
    ("table1", "columns = [\"age\", \"a\"]\nrelease = \"noised\""),
    ("km", "time = \"time\"\nevent = \"died\"\nentry = \"entry\"\nby = \"sex\"\ngrid = 1.0"),
    (
        "km",
        "time = \"time\"\nevent = \"ending\"\ncause = \"death\"\nby = \"sex\"\ngrid = 5.0\n\
         strata = \"site\"\ntau = 50.0",
    ),
    ("km", "time = \"time\"\nevent = \"died\"\ngrid = 10.0\nrelease = \"noised\""),
    ("cif", "time = \"time\"\nevent = \"ending\"\nby = \"sex\"\ngrid = 1.0"),
    (
        "multistate",
        "illness_time = \"ill_time\"\nillness = \"ill\"\ntime = \"time\"\nevent = \"died\"\n\
         grid = 1.0",
    ),
    (
        "cox",
        "time = \"time\"\nevent = \"died\"\nentry = \"entry\"\ncovariates = [\"age\", \"sex\"]\n\
         strata = \"a\"",
    ),
    (
        "cox",
        "time = \"time\"\nevent = \"died\"\ncovariates = [\"age\", \"a\"]\n\
         weights = { propensity = \"fit\", treatment = \"a\", estimand = \"att\" }",
    ),
    (
        "cox",
        "time = \"time\"\nevent = \"died\"\ncovariates = [\"age\", \"sex\"]\nridge = 1.0\n\
         lasso = 0.5",
    ),
    (
        "cox",
        "time = \"time\"\nevent = \"ending\"\ncause = \"death\"\ncovariates = [\"age\"]\n\
         strata = \"none\"\ngrid = 1.0",
    ),
    (
        "finegray",
        "time = \"time\"\nevent = \"ending\"\ncause = \"relapse\"\ncovariates = [\"age\"]\n\
         grid = 1.0",
    ),
    ("glm", "outcome = \"died\"\ncovariates = [\"age\", \"sex\", \"age:sex\"]"),
    ("glm", "family = \"linear\"\noutcome = \"hb\"\ncovariates = [\"age\"]"),
    (
        "glm",
        "family = \"poisson\"\noutcome = \"died\"\nexposure = \"time\"\ncovariates = [\"age\"]",
    ),
    (
        "glm",
        "outcome = \"died\"\ncovariates = [\"age\"]\nrelease = \"noised\"\n\
         expected_patients = 60\nsteps = 3",
    ),
    (
        "hazard",
        "time = \"time\"\nevent = \"died\"\ncovariates = [\"age\", \"a\"]\ncuts = [20, 50, 100]\n\
         expected_patients = 60\nseed = 3\nsteps = 3\nhidden = 2",
    ),
    (
        "train",
        "model = { name = \"logistic\", columns = [\"age\", \"a\"], outcome = \"died\" }\n\
         seed = 3\nsteps = 3\nexpected_patients = 60",
    ),
    (
        "train",
        "model = { name = \"mlp\", columns = [\"age\", \"sex\"], outcome = \"ending\", hidden = [2] }\n\
         seed = 3\nsteps = 3\nholdout = 0.2\nstrategy = { name = \"fedavg\", batch = 16 }",
    ),
    (
        "train",
        "model = { name = \"deepsurv\", columns = [\"age\"], time = \"time\", event = \"died\", \
            cuts = [20, 50, 100], hidden = [2] }\n\
         seed = 3\nsteps = 4\nexpected_patients = 60\nholdout = 0.3\n\
         strategy = { optimiser = \"adam\", sample_rate = 0.5 }\n\
         early_stopping = { patience = 1, every = 2 }",
    ),
    (
        "train",
        "model = { name = \"logistic\", columns = [\"age\"], outcome = \"died\" }\n\
         seed = 3\nsteps = 3\nholdout = 0.2\nstrategy = { name = \"fedprox\", mu = 0.5 }\n\
         early_stopping = { patience = 1 }",
    ),
    (
        "train",
        "model = { name = \"logistic\", columns = [\"age\", \"hb\"], outcome = \"died\" }\n\
         seed = 3\nsteps = 3\nstrategy = { name = \"scaffold\" }",
    ),
    (
        "train",
        "model = { name = \"logistic\", columns = [\"age\"], outcome = \"died\" }\n\
         seed = 3\nsteps = 3\nstrategy = { name = \"fedadagrad\" }",
    ),
    (
        "train",
        "model = { name = \"logistic\", columns = [\"age\"], outcome = \"died\" }\n\
         seed = 3\nsteps = 3\nstrategy = { name = \"fedadam\" }",
    ),
    (
        "train",
        "model = { name = \"logistic\", columns = [\"age\"], outcome = \"died\" }\n\
         seed = 3\nsteps = 3\nstrategy = { name = \"fedyogi\" }",
    ),
    (
        "train",
        "model = { name = \"logistic\", columns = [\"age\"], outcome = \"died\" }\n\
         seed = 3\nsteps = 3\nstrategy = { name = \"dp-fedavg\", sites = 3 }",
    ),
    (
        "train",
        "model = { name = \"mlp\", columns = [\"age\"], outcome = \"died\", hidden = [2] }\n\
         seed = 3\nsteps = 3\nstrategy = { name = \"fedper\" }",
    ),
    (
        "train",
        "model = { name = \"logistic\", columns = [\"age\"], outcome = \"died\" }\n\
         seed = 3\nsteps = 3\nstrategy = { name = \"ditto\", lambda = 0.5 }",
    ),
    ("concordance", "model = \"net\"\ntime = \"time\"\nevent = \"died\"\nsubset = \"all\""),
    (
        "concordance",
        "model = \"mlp\"\ntime = \"time\"\nevent = \"died\"\nsubset = \"all\"\nbins = 9",
    ),
    ("explain", "model = \"logistic\"\nsubset = \"all\"\nrepeats = 2\npoints = 3\npath_parts = 2"),
    ("explain", "model = \"mlp\"\nrelease = \"noised\"\nrepeats = 2\npoints = 3\npath_parts = 2"),
    ("meta", "model = \"cox\"\ntime = \"time\"\nevent = \"died\"\ncovariates = [\"age\"]"),
    ("meta", "model = \"logistic\"\noutcome = \"died\"\ncovariates = [\"age\"]"),
    ("validate", "score = \"p\"\noutcome = \"died\"\nbins = 8"),
    (
        "validate",
        "model = \"fit\"\ntime = \"time\"\nevent = \"died\"\nhorizons = [20, 50]\nbins = 8",
    ),
    ("validate", "model = \"mlp\"\noutcome = \"died\"\nbins = 8\ncalibration_bins = 4"),
    ("validate", "model = \"classes\"\noutcome = \"ending\"\nbins = 8"),
    (
        "validate",
        "model = \"deep\"\ntime = \"time\"\nevent = \"died\"\nhorizons = [20, 60]\nbins = 8",
    ),
    ("pca", "columns = [\"age\", \"hb\", \"a\"]"),
    ("clusters", "method = \"kmeans\"\ncolumns = [\"age\", \"hb\"]\nk = 2\nseed = 1"),
    ("clusters", "method = \"gmm\"\ncolumns = [\"age\", \"hb\"]\nk = 2\nseed = 1"),
    ("scan", "outcome = \"died\"\ncovariates = [\"age\"]\nvariants = [\"a\", \"b\"]"),
    ("scan", "outcome = \"hb\"\nvariants = [\"a\"]\nburden = { set = [\"a\", \"b\"] }"),
    ("comutation", "genes = [\"a\", \"b\"]\nby = \"sex\""),
    ("prepare", "columns = [\"age\", \"hb\", \"a\", \"sex\"]\nlog1p = [\"hb\"]\nbins = 10"),
    ("prepare", "columns = [\"age\", \"sex\"]\nrelease = \"noised\"\nbins = 10"),
    ("prepare", "columns = [\"age\", \"hb\"]\nbins = 10\nharmonised = \"bat\""),
    ("combat", "columns = [\"age\", \"hb\"]\nbatch = \"sex\"\ncovariates = [\"a\"]"),
    ("combat", "columns = [\"age\", \"hb\"]\nbatch = \"site\"\ncovariates = [\"sex\"]"),
    ("combat", "columns = [\"age\", \"hb\"]\nbatch = \"sex\""),
    ("synthesize", "columns = [\"age\", \"sex\", \"a\", \"b\"]\nbins = { age = 4 }"),
    (
        "synthesize",
        "columns = [\"age\", \"sex\", \"time\", \"died\"]\nbins = { age = 4 }\nmethod = \"mst\"\n\
         survival = [{ time = \"time\", event = \"died\", cuts = 4 }]\nrelease = \"noised\"\n\
         holdout = 0.2",
    ),
    (
        "synthesize",
        "method = \"vae\"\ncolumns = [\"age\", \"sex\", \"a\"]\nbins = { age = 4 }\n\
         network = { hidden = [2], latent = 1, components = 1 }\n\
         training = { steps = 3, expected_patients = 60 }",
    ),
    (
        "synthesize",
        "method = \"vae\"\ncolumns = [\"age\", \"sex\", \"time\", \"died\"]\nbins = { age = 4 }\n\
         survival = [{ time = \"time\", event = \"died\", cuts = 4 }]\nrelease = \"noised\"\n\
         network = { hidden = [2], latent = 1, components = 2 }\nholdout = 0.2\nseed = 3\n\
         training = { steps = 3, expected_patients = 60, sample_rate = 0.5 }",
    ),
    ("fidelity", "of = \"generator\"\nrows = 200\nseed = 3\ndegree = 2"),
    ("fidelity", "of = \"charged\"\nrows = 50\nseed = 3\nrelease = \"noised\""),
    ("vector-sum", "dimension = 3\nbound = 1.0\nrounds = 2"),
    ("vector-sum", "dimension = 3\nbound = 1.0\nrounds = 2\nrelease = \"noised\""),
];
