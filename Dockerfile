# The workflow with the versions of constraints.txt:
#   docker build --tag dnastudents --build-arg COMMIT=$(git rev-parse HEAD) .
#   docker run --rm --volume "$PWD/results:/dnastudents/results" dnastudents snakemake --profile demo
FROM python:3.12-slim

# What results say of the code that made them, since the image holds no git.
ARG COMMIT=""
ENV DNASTUDENTS_COMMIT=$COMMIT PYTHONUNBUFFERED=1

WORKDIR /dnastudents
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt .
CMD ["dnastudents", "--help"]
