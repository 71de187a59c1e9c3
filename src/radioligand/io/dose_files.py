# SPDX-License-Identifier: Apache-2.0
"""Doses to files: NIfTI, and DICOM RTDOSE, SEG and SR for the patient of the images.

A DICOM file belongs to the patient and study of the first image and lies in its frame of
reference. Identifiers are made from what a file holds, so that the same doses give the same file.
"""

import copy
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radioligand.dosimetry.dose_volume import DoseVolume
from radioligand.dosimetry.grids import Grid
from radioligand.io.images import TO_LPS, ImageError, optional
from radioligand.io.outputs import sha256

Singles = NDArray[np.float32]
MAKER = "radioligand"
OF_PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
OF_STUDY = (
    *("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime"),
    *("AccessionNumber", "ReferringPhysicianName"),
)


def nifti(dose_gy: Singles, grid: Grid) -> bytes:
    """Return a dose image in Gy as an uncompressed NIfTI file."""
    nibabel = optional("nibabel")
    image = nibabel.Nifti1Image(np.asarray(dose_gy, np.float32), TO_LPS @ grid.affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"absorbed dose, Gy"
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    return bytes(image.to_bytes())


def identifier(*parts: str) -> str:
    """Return a DICOM identifier made from texts; the same texts give the same one."""
    digest = sha256("\0".join(parts).encode())
    return f"2.25.{int(digest[:32], 16)}"


def rt_dose(
    dose_gy: Singles, grid: Grid, *, source: Any, made: datetime, by_ct: bool = False
) -> bytes:
    """Return a dose image as DICOM RTDOSE: Gy, physical, 32 bits, one frame a slice.

    source : dataset of an image of that patient, study and frame of reference.
    by_ct : whether voxels have their own density, else all have one.
    Raises ImageError for voxels whose axes are not at right angles.
    """
    pydicom = optional("pydicom")
    if not grid.is_rectangular:
        raise ImageError("RTDOSE: the axes of the image are not at right angles.")
    content = np.ascontiguousarray(dose_gy, np.float32).tobytes()
    dataset = _dataset(pydicom, "1.2.840.10008.5.1.4.1.1.481.2", content, source, made)
    dataset.Modality = "RTDOSE"
    dataset.FrameOfReferenceUID = grid.frame
    dataset.PositionReferenceIndicator = ""
    sides = grid.spacing_mm
    rows, columns = grid.affine[:3, 1] / sides[1], grid.affine[:3, 2] / sides[2]
    ahead = float(grid.affine[:3, 0] @ np.cross(columns, rows)) > 0
    values, first = (dose_gy, 0) if ahead else (dose_gy[::-1], grid.shape[0] - 1)
    dataset.ImageOrientationPatient = [_decimal(one) for one in (*columns, *rows)]
    corner = grid.affine @ (first, 0, 0, 1)
    dataset.ImagePositionPatient = [_decimal(one) for one in corner[:3]]
    dataset.PixelSpacing = [_decimal(sides[1]), _decimal(sides[2])]
    dataset.SliceThickness = _decimal(sides[0])
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = grid.shape
    dataset.FrameIncrementPointer = 0x3004000C  # GridFrameOffsetVector
    dataset.GridFrameOffsetVector = [_decimal(i * sides[0]) for i in range(grid.shape[0])]
    scale = float(_decimal(max(float(dose_gy.max()), 1e-6) / (2**32 - 2)))
    stored = np.clip(np.rint(values.astype(np.float64) / scale), 0, 2**32 - 1).astype("<u4")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit, dataset.PixelRepresentation = 31, 0
    dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    dataset.DoseGridScaling = _decimal(scale)
    dataset.TissueHeterogeneityCorrection = "IMAGE" if by_ct else "WATER"
    dataset.PixelData = stored.tobytes()
    return _written(dataset)


def _decimal(number: float) -> str:
    """A number in the 16 characters that DICOM allows."""
    for digits in range(16, 5, -1):
        text = f"{number:.{digits}g}"
        if len(text) <= 16:
            return text
    return f"{number:.5g}"


def _dataset(pydicom: Any, kind: str, content: bytes, source: Any, made: datetime) -> Any:
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = identifier("instance", kind, sha256(content))
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset = pydicom.dataset.FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    for name in (*OF_PATIENT, *OF_STUDY):
        setattr(dataset, name, source.get(name, ""))
    dataset.SeriesInstanceUID = identifier("series", kind, sha256(content))
    dataset.SeriesNumber, dataset.InstanceNumber = 9001, 1
    dataset.Manufacturer, dataset.ManufacturerModelName = MAKER, MAKER
    dataset.SoftwareVersions = version("radioligand")
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = f"{made:%Y%m%d}", f"{made:%H%M%S}"
    dataset.ContentDate, dataset.ContentTime = f"{made:%Y%m%d}", f"{made:%H%M%S}"
    return dataset


def _written(dataset: Any) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def segmentation(
    regions: Mapping[str, NDArray[np.bool_]],
    lesions: frozenset[str],
    grid: Grid,
    *,
    sources: Sequence[Any],
) -> Any:
    """Return regions on the dose's grid as a DICOM SEG, lesions told from organs.

    sources : datasets of the image on whose grid they lie.
    """
    hd, codes = optional("highdicom"), optional("pydicom.sr.codedict").codes
    described = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=(
                codes.SCT.MorphologicallyAbnormalStructure
                if name in lesions
                else codes.SCT.AnatomicalStructure
            ),
            segmented_property_type=codes.SCT.Lesion if name in lesions else codes.SCT.Organ,
            algorithm_type="MANUAL",
        )
        for number, name in enumerate(regions, 1)
    ]
    masks = np.stack(list(regions.values()), -1)
    volume = hd.Volume(
        array=masks.astype(np.uint8),
        affine=grid.affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=grid.frame,
        channels={"SegmentNumber": list(range(1, len(regions) + 1))},
    )
    digest = sha256(masks.tobytes())
    return hd.seg.Segmentation(
        source_images=[_placed(source, grid) for source in sources],
        pixel_array=volume,
        segmentation_type="BINARY",
        segment_descriptions=described,
        series_instance_uid=identifier("series", "SEG", digest),
        series_number=9002,
        sop_instance_uid=identifier("instance", "SEG", digest),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=version("radioligand"),
        device_serial_number="0",
        content_label="DOSIMETRY",
    )


def _placed(source: Any, grid: Grid) -> Any:
    """Return an NM tomogram with its place told as enhanced images do; others as they are."""
    if "DetectorInformationSequence" not in source:
        return source
    hd, pydicom = optional("highdicom"), optional("pydicom")
    sides = grid.spacing_mm
    columns, rows = grid.affine[:3, 2] / sides[2], grid.affine[:3, 1] / sides[1]
    shared = pydicom.Dataset()
    shared.PixelMeasuresSequence = hd.PixelMeasuresSequence(sides[1:], sides[0])
    shared.PlaneOrientationSequence = hd.PlaneOrientationSequence("PATIENT", (*columns, *rows))
    frames = []
    for slice_ in range(grid.shape[0]):
        frame = pydicom.Dataset()
        place = (grid.affine @ (slice_, 0, 0, 1))[:3]
        frame.PlanePositionSequence = hd.PlanePositionSequence("PATIENT", place)
        frames.append(frame)
    found = copy.deepcopy(source)
    found.SharedFunctionalGroupsSequence = [shared]
    found.PerFrameFunctionalGroupsSequence = frames
    return found


def measurement_report(
    doses: Mapping[str, DoseVolume],
    segments: Any,
    *,
    sources: Sequence[Any],
    made: datetime,
) -> bytes:
    """Return doses of regions as a DICOM SR by template 1500.

    Of each region, a segment of `segments` in the same order: its volume, and mean, median, least
    and highest absorbed dose in Gy.
    """
    hd, codes = optional("highdicom"), optional("pydicom.sr.codedict").codes
    sr = hd.sr
    series = sr.SourceSeriesForSegmentation(str(sources[0].SeriesInstanceUID))
    groups = []
    for number, (name, found) in enumerate(doses.items(), 1):
        measured = (
            (codes.SCT.Volume, found.volume_ml, codes.UCUM.CubicCentimeter),
            (codes.DCM.MeanAbsorbedRadiationDose, found.mean_gy, codes.UCUM.Gy),
            (codes.DCM.MedianAbsorbedRadiationDose, found.d50_gy, codes.UCUM.Gy),
            (codes.DCM.MinimumAbsorbedRadiationDose, found.least_gy, codes.UCUM.Gy),
            (codes.DCM.MaximumAbsorbedRadiationDose, found.most_gy, codes.UCUM.Gy),
        )
        groups.append(
            sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=sr.TrackingIdentifier(
                    uid=identifier("region", str(segments.SOPInstanceUID), name), identifier=name
                ),
                referenced_segment=sr.ReferencedSegment(
                    str(segments.SOPClassUID),
                    str(segments.SOPInstanceUID),
                    number,
                    source_series=series,
                ),
                measurements=[
                    sr.Measurement(name=code, value=float(f"{value:.6g}"), unit=unit)
                    for code, value, unit in measured
                ],
            )
        )
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=identifier("device", MAKER, version("radioligand")),
        name=MAKER,
        manufacturer_name=MAKER,
        model_name=f"{MAKER} {version('radioligand')}",
    )
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(
                observer_type=codes.DCM.Device, observer_identifying_attributes=device
            )
        ),
        procedure_reported=codes.SCT.SinglePhotonEmissionComputerizedTomography,
        imaging_measurements=groups,
    )
    told = repr([(name, found[:9]) for name, found in doses.items()])
    document = sr.Comprehensive3DSR(
        evidence=[*sources, segments],
        content=report,
        series_instance_uid=identifier("series", "SR", str(segments.SOPInstanceUID), told),
        series_number=9003,
        sop_instance_uid=identifier("instance", "SR", str(segments.SOPInstanceUID), told),
        instance_number=1,
        manufacturer=MAKER,
        is_complete=True,
    )
    _date(document, made)
    return _written(document)


def segmentation_bytes(segments: Any, *, made: datetime) -> bytes:
    """Return a DICOM SEG as the bytes of its file."""
    _date(segments, made)
    return _written(segments)


def _date(dataset: Any, made: datetime) -> None:
    """Date a file by what it tells of, and let the same content have the same identifiers.

    highdicom asks the clock for dates and draws the identifier of the segments' dimensions.
    """
    organisation = identifier("dimensions", str(dataset.SOPInstanceUID))
    for element in dataset.iterall():
        if element.keyword in ("ContentDate", "InstanceCreationDate", "SeriesDate"):
            element.value = f"{made:%Y%m%d}"
        elif element.keyword in ("ContentTime", "InstanceCreationTime", "SeriesTime"):
            element.value = f"{made:%H%M%S}"
        elif element.keyword == "ContributionDateTime":
            element.value = f"{made:%Y%m%d%H%M%S}"
        elif element.keyword == "DimensionOrganizationUID":
            element.value = organisation
