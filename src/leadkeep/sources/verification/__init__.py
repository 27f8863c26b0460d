"""Whether a request is from the vendor it says it is from: small parts, put together by settings.

Pure. A request that proves nothing is no less a lead: it is kept, and a person decides.
"""
