"""`candelabra backbones`: what each backbone of conf/backbone/ is, measured without its weights."""
