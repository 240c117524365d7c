"""Drop-in modules: other Python clients' names, signatures and data, over memcxx."""
