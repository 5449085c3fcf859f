"""What the page may load: from where it comes itself, and nothing else."""

OWN_ONLY = "default-src 'none'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; media-src 'self' blob:; " \
           "base-uri 'none'; form-action 'none'"
OF_SERVER = f"{OWN_ONLY}; script-src 'self'; frame-ancestors 'none'"
OF_BROWSER = f"{OWN_ONLY}; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'"     # in a <meta>, which knows less
